"""Clips of a running server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from audio_score_client import AudioScoreClient, PreconditionFailed, UnknownClip
from audio_score_server.cli.clips.places import ListedClip
from audio_score_server.library.clip import ClipId


class ServerPlace:
    """See ``ClipPlace``."""

    def __init__(self, client: AudioScoreClient) -> None:
        self._client = client

    def clips(self, uid: str | None, query: str) -> Iterable[ListedClip]:
        """See ``ClipPlace.clips``."""
        for clip in self._client.clips(uid, query or None):
            yield ListedClip(clip.uid, clip.cid, clip.text, clip.etag)

    def add(self, clip_id: ClipId, file: Path, text: str | None, replace: bool) -> bool:
        """See ``ClipPlace.add``."""
        condition = None if replace else "*"
        try:
            self._client.put_clip(clip_id.uid, clip_id.cid, file, text, if_none_match=condition)
        except PreconditionFailed:
            return False
        return True

    def remove(self, clip_id: ClipId) -> bool:
        """See ``ClipPlace.remove``."""
        try:
            self._client.delete_clip(clip_id.uid, clip_id.cid)
        except UnknownClip:
            return False
        return True
