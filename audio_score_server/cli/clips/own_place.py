"""Clips where the settings say that they are: in a folder, or in a bucket."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from audio_score_server.cli.clips.places import ListedClip
from audio_score_server.library.clip import ClipId
from audio_score_server.library.errors import PreconditionFailed
from audio_score_server.library.sources import open_source
from audio_score_server.library.writing import UNCONDITIONAL, Media, Precondition, check_name
from audio_score_server.library_service import check_media
from audio_score_server.service_parts import decode_limits
from audio_score_server.settings import Settings


class OwnPlace:
    """See ``ClipPlace``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._source = open_source(settings)

    def clips(self, uid: str | None, query: str) -> Iterable[ListedClip]:
        """See ``ClipPlace.clips``."""
        for clip in self._source.library().search(uid, query):
            yield ListedClip(clip.id.uid, clip.id.cid, clip.text, clip.etag)

    def add(self, clip_id: ClipId, file: Path, text: str | None, replace: bool) -> bool:
        """See ``ClipPlace.add``."""
        precondition = UNCONDITIONAL if replace else Precondition(if_none_match=("*",))
        check_name(clip_id)
        with file.open("rb") as stream:
            media = Media(stream, file.suffix.lower())
            check_media(media, decode_limits(self._settings))
            try:
                self._source.put(clip_id, media, text, precondition)
            except PreconditionFailed:
                return False
        return True

    def remove(self, clip_id: ClipId) -> bool:
        """See ``ClipPlace.remove``."""
        return self._source.delete(clip_id)
