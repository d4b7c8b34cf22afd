"""One recording scored against one clip, without a server: what ``audio-score score`` does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from audio_score_server.assembly import build_scorer
from audio_score_server.library.clip import ClipId
from audio_score_server.library.sources import open_source
from audio_score_server.settings import Settings
from audio_score_server.telemetry.stages import Stages
from audio_score_server.web.routes.score import score_numbers


def score_file(settings: Settings, file: Path, clip: ClipId, model: str | None) -> dict[str, Any]:
    """Score a recording as a server with these settings would.

    Args:
        settings: the operator's.
        file: the recording.
        clip: what it performs.
        model: key of one of the settings' models; None for the first that can be loaded.

    Returns:
        The JSON of ``POST /score``.

    Raises:
        NoModelError: there is no such model, or it cannot be loaded.
        UnknownClip: there is no such clip.
        AudioScoreError: the recording, or the clip, cannot be used.
        OSError: the recording cannot be read.
    """
    recording = file.read_bytes()
    # Looked for before a model is loaded, which takes longer.
    open_source(settings).library().find(clip.uid, clip.cid)
    return asyncio.run(_score(settings, recording, clip, model))


async def _score(
    settings: Settings, recording: bytes, clip: ClipId, model: str | None
) -> dict[str, Any]:
    service = build_scorer(settings, model)
    stages = Stages()
    try:
        await service.start()
        result = await service.score(clip.uid, clip.cid, None, lambda: recording, stages)
        return score_numbers(result.score, stages)
    finally:
        await service.close()
