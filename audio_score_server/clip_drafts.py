"""Drafts of clips' texts: a model writes them, a person accepts them."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path

from tqdm import tqdm

from audio_score_server.assembly import transcriber
from audio_score_server.errors import AudioScoreError
from audio_score_server.library.clip import Clip
from audio_score_server.library.folder import FolderSource
from audio_score_server.library.sources import clip_folder
from audio_score_server.library.writable_folder import DRAFT
from audio_score_server.pipelines.collecting import collected
from audio_score_server.pipelines.protocol import TranscriptionModel, TranscriptionOptions
from audio_score_server.settings import Settings


def write_drafts(settings: Settings, model: str | None, language: str | None) -> int:
    """Write a draft for every clip that has neither text nor draft; how many could not be.

    Raises:
        NoModelError: there is no model that can.
        SettingsError: the clips are in no folder.
        OSError: a draft cannot be written.
    """
    folder = clip_folder(settings)
    clips = [
        clip
        for clip in FolderSource(folder).library().clips()
        if not clip.text and not _draft_of(folder, clip).exists()
    ]
    return asyncio.run(_write_all(settings, clips, model, language)) if clips else 0


def accept_drafts(folder: Path) -> list[str]:
    """Make the drafts in a folder the clips' texts; the names of these.

    Drafts of clips that have a text by now are left.

    Raises:
        OSError: one cannot be renamed.
    """
    accepted = []
    for clip in FolderSource(folder).library().clips():
        draft = _draft_of(folder, clip)
        if not clip.text and draft.exists():
            text = draft.with_suffix("")
            os.replace(draft, text)
            accepted.append(text.name)
    return accepted


async def _write_all(
    settings: Settings, clips: list[Clip], model: str | None, language: str | None
) -> int:
    failures = 0
    options = TranscriptionOptions(language=language)
    async with transcriber(settings, model) as own:
        for clip in tqdm(clips, desc="clips", unit="clip", disable=None):
            try:
                text = await _text(own, clip, options)
            except (AudioScoreError, OSError) as error:
                failures += 1
                tqdm.write(f"{clip.name}: {error}", file=sys.stderr)
                continue
            draft = _draft_of(clip_folder(settings), clip)
            draft.write_text(f"{text}\n", encoding="utf-8")
            tqdm.write(f"{draft.name}: {text}")
    return failures


async def _text(model: TranscriptionModel, clip: Clip, options: TranscriptionOptions) -> str:
    return (await collected(model.transcribe(io.BytesIO(clip.read()), options))).text


def _draft_of(folder: Path, clip: Clip) -> Path:
    return folder / f"{os.path.splitext(clip.name)[0]}{DRAFT}"
