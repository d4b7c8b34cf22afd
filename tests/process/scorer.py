"""A service on the demo in this process, for numbers at full precision."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from audio_score_server.assembly import build_service
from audio_score_server.domain import Score
from audio_score_server.library.clip import Clip
from audio_score_server.library.folder import FolderSource
from audio_score_server.service import ScoreService
from audio_score_server.settings import PhonesSettings, Settings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from tests.process.server import ROOT

RECORDINGS: Final = ROOT / "audio_clip"
CLIPS: Final = FolderSource(ROOT / "video_clip").library().clips()
RIGHT: Final = ("right", "other", "other2", "child", "slow")
"""Kinds of recordings in which somebody says the whole line."""


class Scorer:
    """Scores one recording after another, or several at once."""

    def __init__(self, loop: asyncio.Runner, service: ScoreService) -> None:
        self._loop = loop
        self._service = service

    def score(self, clip: Clip, sound: bytes) -> Score:
        """One alone."""
        return self.scores(clip, [sound])[0]

    def scores(self, clip: Clip, sounds: Sequence[bytes]) -> list[Score]:
        """All at once: they share batches."""
        return self._loop.run(self._all(clip, sounds))

    async def _all(self, clip: Clip, sounds: Sequence[bytes]) -> list[Score]:
        return list(await asyncio.gather(*(self._one(clip, sound) for sound in sounds)))

    async def _one(self, clip: Clip, sound: bytes) -> Score:
        uid, cid = clip.id.uid, clip.id.cid
        result = await self._service.score(uid, cid, None, lambda: sound, Stages())
        return result.score


@contextmanager
def demo_scorer(cache: Path) -> Iterator[Scorer]:
    """With the embedded model, on the processor."""
    settings = Settings(
        models=(PhonesSettings(key="phones", type="phones"),),
        video_clip_dir=ROOT / "video_clip",
        cache_dir=cache,
        device="cpu",
        canary_interval_s=0,
    )
    with asyncio.Runner() as loop:
        service = build_service(settings, Metrics())
        loop.run(service.start())
        try:
            yield Scorer(loop, service)
        finally:
            loop.run(service.close())


def recordings_of(clip: Clip, *kinds: str) -> list[Path]:
    """Those of the demo, by what is said in them; ``*`` for all."""
    return [path for kind in kinds for path in sorted(RECORDINGS.glob(f"{clip.id}_{kind}.*"))]
