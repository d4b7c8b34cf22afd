"""Clips as clients see them."""

from __future__ import annotations

import os
from typing import Final

from audio_score_server.library.clip import Clip
from audio_score_server.library_service import LibraryService
from audio_score_server.web.schemas import ClipModelResponse, ClipResponse, ClipSummaryResponse

_MEDIA_TYPES: Final = {
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".flac": "audio/flac",
}


def media_type(clip: Clip) -> str:
    """Of a clip's file, by its ending."""
    return _MEDIA_TYPES[os.path.splitext(clip.name)[1].lower()]


def summary(clip: Clip) -> ClipSummaryResponse:
    """A clip in a list."""
    return ClipSummaryResponse(uid=clip.id.uid, cid=clip.id.cid, text=clip.text, etag=clip.etag)


async def clip_answer(clips: LibraryService, clip: Clip) -> ClipResponse:
    """A clip in full, as far as models know it."""
    statuses = await clips.statuses(clip)
    known = [status for status in statuses.values() if status.duration_s is not None]
    languages = [status.language for status in statuses.values() if status.language]
    return ClipResponse(
        **summary(clip).model_dump(),
        media_type=media_type(clip),
        size_bytes=clip.size,
        duration_s=round(known[0].duration_s or 0.0, 2) if known else None,
        language=languages[0] if languages else None,
        models={key: ClipModelResponse(state=status.state) for key, status in statuses.items()},
    )
