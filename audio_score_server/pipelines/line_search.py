"""Which clips a recording may say, among all of a library: an index that follows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from audio_score_server.domain import Encoding
from audio_score_server.library.clip import Clip, Library, VersionKey
from audio_score_server.pipelines.threads import run_in
from audio_score_server.references.entry import EntryInvalid
from audio_score_server.references.store import ReferenceStore
from audio_score_server.retrieval.index import PhoneIndex
from audio_score_server.retrieval.terms import PhoneTerms, likely_terms, terms_of

_LOG = logging.getLogger(__name__)
_AT_ONCE: Final = 256
"""Clips that are read before requests get their turn on the pool, and then found together."""


class LineSearch:
    """Finds clips by the phones that one phone model heard in them, and by those of their texts.

    What is indexed is read from the model's cache, in the background; a clip that is not indexed
    yet is not found.
    """

    def __init__(self, key: str, store: ReferenceStore, pool: ThreadPoolExecutor) -> None:
        """``key``: the phone model's, whose references are in ``store``."""
        self._key = key
        self._store = store
        self._pool = pool
        self._index = PhoneIndex[VersionKey]()
        self._wanted: dict[VersionKey, Clip] = {}
        self._following: asyncio.Task[None] | None = None

    @property
    def indexed(self) -> int:
        """How many clips can be found."""
        return len(self._index)

    def follow(self, clips: Sequence[Clip]) -> None:
        """Begin to index what is new among the clips of a library, and to forget what is gone."""
        self._wanted = {clip.version_key: clip for clip in clips}
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow(), name=f"index-{self._key}")

    async def settled(self) -> None:
        """Until all is indexed that can be."""
        if self._following is not None:
            await asyncio.shield(self._following)

    def close(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()

    async def find(
        self, heard: Encoding, library: Library, uid: str | None, count: int
    ) -> list[Clip]:
        """The clips that a recording says most likely, the likeliest first.

        Args:
            heard: the recording, as the phone model encoded it with nothing expected.
            library: whose clips are looked at.
            uid: of the video whose clips alone are looked at; None for all.
            count: most that are wanted.
        """
        return await run_in(self._pool, self._find, heard, library, uid, count)

    def _find(self, heard: Encoding, library: Library, uid: str | None, count: int) -> list[Clip]:
        if heard.alignment is None:
            return []

        def is_wanted(key: VersionKey) -> bool:
            clip = library.get(key[0])
            return uid in (None, key[0].uid) and clip is not None and clip.version_key == key

        query = likely_terms(heard.features, heard.alignment.heard)
        found = self._index.search(query, count, is_wanted)
        return [clip for (clip_id, _, _), _ in found if (clip := library.get(clip_id))]

    async def _follow(self) -> None:
        """Until the index has what is wanted, which may change meanwhile."""
        tried: set[VersionKey] = set()
        while True:
            wanted = self._wanted
            known = self._index.keys()
            new = [wanted[key] for key in wanted if key not in known and key not in tried]
            gone = [key for key in known if key not in wanted]
            if not new and not gone:
                return
            part = new[:_AT_ONCE]
            tried |= {clip.version_key for clip in part}
            await run_in(self._pool, self._change, part, gone)

    def _change(self, new: Sequence[Clip], gone: Sequence[VersionKey]) -> None:
        added = {clip.version_key: ways for clip in new if (ways := self._ways(clip))}
        self._index.change(added, gone)

    def _ways(self, clip: Clip) -> list[PhoneTerms]:
        """How the clip is said: as its text has it, and as it was heard; nothing where unknown."""
        try:
            lines = self._store.phones(clip)
        except EntryInvalid as reason:
            _LOG.debug("%s: %s cannot be found yet: %s.", self._key, clip.name, reason)
            return []
        return [terms_of(line) for line in dict.fromkeys(lines) if len(line) > 1]
