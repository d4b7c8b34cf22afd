"""The clips as they are at this moment, beside those that every model is ready for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from audio_score_server.library.clip import Clip, ClipChanged, ClipId, ClipSource, Library
from audio_score_server.library.errors import LibraryUnavailable

_LOG = logging.getLogger(__name__)
_REST: Final = 10
"""Times as long as looking through the library and taking it over."""
ResultT = TypeVar("ResultT")
TakeOver = Callable[[Library], Awaitable[None]]


class _Change(NamedTuple):
    """How many clips have come, changed and gone."""

    added: int
    changed: int
    removed: int

    @classmethod
    def between(cls, before: Library, after: Library) -> _Change:
        """From one version of a library to another."""
        old = {clip.id: clip.version_key for clip in before.clips()}
        new = {clip.id: clip.version_key for clip in after.clips()}
        changed = sum(old.get(each, key) != key for each, key in new.items())
        return cls(len(new.keys() - old.keys()), changed, len(old.keys() - new.keys()))


class LiveLibrary:
    """A source's clips. A request is served with a clip as it is when it is asked for.

    So several workers need not tell each other what has changed: each looks for itself, and the
    version that models were made ready for beforehand only spares the request from waiting.
    """

    def __init__(
        self, source: ClipSource, library: Library, on_removed: Callable[[Library], object]
    ) -> None:
        """Follow a source.

        Args:
            source: where the clips are.
            library: the version that models are made ready for first.
            on_removed: called on a thread with what is left when clips have gone.
        """
        self.source = source
        self._on_removed = on_removed
        self.current = library
        """What models are ready for: cohort and levels are by it."""
        self._error = ""
        self._listed: tuple[Library, Hashable] = library, object()

    async def resolve(self, clip_id: ClipId) -> Clip:
        """The clip of an id, whole; waits while somebody is writing it.

        Raises:
            UnknownClip: there is none.
            LibraryUnavailable: the source cannot be read, and the clip was not known before.
        """
        while True:
            try:
                clip = await asyncio.to_thread(self.source.find, clip_id)
            except LibraryUnavailable:
                clip = self.current.get(clip_id)
                if clip is None:
                    raise
                return clip
            if clip is None:
                raise self.current.unknown(clip_id)
            known = self.current.get(clip_id)
            if known is not None and known.version_key == clip.version_key:
                return known
            if not clip.settled_in_s:
                return clip
            await asyncio.sleep(clip.settled_in_s)

    async def using(self, clip_id: ClipId, use: Callable[[Clip], Awaitable[ResultT]]) -> ResultT:
        """What is made of the clip of an id; once more of its next version if it changes meanwhile.

        Args:
            clip_id: of the clip.
            use: makes it; may raise ``ClipChanged``.

        Raises:
            UnknownClip: there is no such clip.
            LibraryUnavailable: the source cannot be read, and the clip was not known before.
        """
        while True:
            clip = await self.resolve(clip_id)
            with suppress(ClipChanged):
                return await use(clip)

    async def list_clips(self) -> Library:
        """The clips that there are at this moment; those known before where nobody can tell."""
        try:
            return await asyncio.to_thread(self._list)
        except LibraryUnavailable:
            return self.current

    def _list(self, anew: bool = False) -> Library:
        """Looked through again only where something may have come or gone, or ``anew``."""
        revision = self.source.revision()
        library, then = self._listed
        if anew or revision != then:
            library = self.source.library()
            self._listed = library, revision
        return library

    async def follow(self, take_over: TakeOver) -> None:
        """Have each new version of the library taken over, until cancelled.

        Args:
            take_over: makes the models ready for a version.
        """
        async for _ in self.source.changes():
            began = time.monotonic()
            try:
                await self._look(take_over)
            except LibraryUnavailable as error:
                self._tell(f"{error} Those known before are served on.")
            except Exception:
                # Whatever is wrong with one version, the next may be better.
                _LOG.exception("The clips have changed, but the change could not be taken over.")
            # However often something changes, most of the time goes to requests.
            await asyncio.sleep(_REST * (time.monotonic() - began))

    async def _look(self, take_over: TakeOver) -> None:
        """Have the clips taken over as they are now, and once more when all of them are whole.

        Raises:
            LibraryUnavailable: the source cannot be read.
        """
        while True:
            # Nothing that grows with the library is done on the event loop.
            library, unsettled_s = await asyncio.to_thread(self._found)
            self._error = ""
            change = await asyncio.to_thread(_Change.between, self.current, library)
            if any(change):
                _LOG.info(
                    "The library has changed: %d clips added, %d changed, %d removed; %d now.",
                    *change,
                    len(library),
                )
                await take_over(library)
                self.current = library
            if change.removed:
                await asyncio.to_thread(self._on_removed, library)
            if not unsettled_s:
                return
            await asyncio.sleep(unsettled_s)

    def _found(self) -> tuple[Library, float]:
        """The clips as they are, and seconds until all are whole; those that are not, as before."""
        found = self._list(anew=True)
        unsettled_s = max((clip.settled_in_s for clip in found.clips()), default=0.0)
        if not unsettled_s:
            return found, 0.0
        before = self.current.get
        settled = (before(each.id) if each.settled_in_s else each for each in found.clips())
        return Library(clip for clip in settled if clip is not None), unsettled_s

    def _tell(self, error: str) -> None:
        """Once, until it is over."""
        if error != self._error:
            self._error = error
            _LOG.error("%s", error)
