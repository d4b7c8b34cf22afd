"""The clips as they are at this moment, beside those that every model is ready for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from audio_score_server.library.clip import Clip, ClipId, ClipSource, Library
from audio_score_server.library.errors import LibraryUnavailable

_LOG = logging.getLogger(__name__)
TakeOver = Callable[[Library], Awaitable[None]]


class LiveLibrary:
    """A source's clips. A request is served with a clip as it is when it is asked for.

    So several workers need not tell each other what has changed: each looks for itself, and the
    version that models were made ready for beforehand only spares the request from waiting.
    """

    def __init__(self, source: ClipSource, library: Library) -> None:
        """``library``: the version that models are made ready for first."""
        self.source = source
        self.current = library
        """What models are ready for: cohort and levels are by it."""
        self._error = ""
        self._looking = asyncio.Lock()

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

    async def list_clips(self) -> Library:
        """The clips that there are at this moment; those known before where nobody can tell."""
        try:
            return await asyncio.to_thread(self.source.library)
        except LibraryUnavailable:
            return self.current

    async def follow(self, take_over: TakeOver) -> None:
        """Have each new version of the library taken over, until cancelled.

        Args:
            take_over: makes the models ready for a version.
        """
        async for _ in self.source.changes():
            try:
                await self.look(take_over)
            except LibraryUnavailable as error:
                self._tell(f"{error} Those known before are served on.")
            except Exception:
                # Whatever is wrong with one version, the next may be better.
                _LOG.exception("The clips have changed, but the change could not be taken over.")

    async def look(self, take_over: TakeOver) -> None:
        """Have the clips taken over as they are now, and once more when all of them are whole.

        Raises:
            LibraryUnavailable: the source cannot be read.
        """
        while True:
            async with self._looking:
                found = await asyncio.to_thread(self.source.library)
                self._error = ""
                library = self._settled(found)
                if library != self.current:
                    self._report(library)
                    await take_over(library)
                    self.current = library
            unsettled_s = max((clip.settled_in_s for clip in found.clips()), default=0.0)
            if not unsettled_s:
                return
            await asyncio.sleep(unsettled_s)

    def _settled(self, found: Library) -> Library:
        """What is being written is left as it was."""
        before = self.current.get
        return Library(
            clip
            for each in found.clips()
            if (clip := before(each.id) if each.settled_in_s else each) is not None
        )

    def _report(self, library: Library) -> None:
        before = {clip.id: clip.version_key for clip in self.current.clips()}
        after = {clip.id: clip.version_key for clip in library.clips()}
        changed = sum(before.get(each, after[each]) != after[each] for each in after)
        _LOG.info(
            "The library has changed: %d clips added, %d changed, %d removed; %d now.",
            len(after.keys() - before.keys()),
            changed,
            len(before.keys() - after.keys()),
            len(after),
        )

    def _tell(self, error: str) -> None:
        """Once, until it is over."""
        if error != self._error:
            self._error = error
            _LOG.error("%s", error)
