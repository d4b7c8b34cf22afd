"""Building what the cache lacks, together with whoever else is at it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

from audio_score_server.domain import Contours, Reference
from audio_score_server.errors import (
    AudioError,
    BatchError,
    DeviceMemoryError,
    EmptyAudio,
    ReferenceMissing,
    SilentAudio,
    TooLongAudio,
    TooShortAudio,
    UndecodableAudio,
)
from audio_score_server.library.clip import Clip, ClipChanged, VersionKey
from audio_score_server.library.errors import LibraryUnavailable
from audio_score_server.references.entry import EntryInvalid
from audio_score_server.references.progress import Progress
from audio_score_server.references.store import ReferenceStore
from audio_score_server.references.tensors import as_kept

_LOG = logging.getLogger(__name__)
_RETRY_S: Final = 0.05
_Outcome = Literal["busy", "elsewhere", "built", "found"]
_PAUSES_S: Final[dict[_Outcome, float]] = {"busy": _RETRY_S, "elsewhere": 1.0}
"""Before what others are at, on this host or on another, is looked at again."""
_PATIENCE_S: Final = 10.0
"""Longest wait for another worker, which may be stuck."""

Encode = Callable[[Clip], Awaitable[Reference]]


_SILENT_DB: Final = -70.0
"""Below full scale: what is fainter throughout has no frame that tells what is said."""
_REPLACE: Final = "Put a whole recording in its place, or take it out of the folder."
_CUT: Final = "Cut it to the line"
_COMPLAINTS: Final[dict[type[Exception], tuple[str, str]]] = {
    EmptyAudio: ("the file is empty", _REPLACE),
    UndecodableAudio: ("no decoder finds sound in it", _REPLACE),
    SilentAudio: ("there is nothing but silence in it", _REPLACE),
    TooShortAudio: ("it holds less sound than min_audio_seconds", _REPLACE),
    TooLongAudio: ("it holds more sound than max_audio_seconds", f"{_CUT}, or raise that."),
    DeviceMemoryError: (
        "the model's device has too little memory for it",
        f"{_CUT}, or free some memory and restart the server.",
    ),
}


def complaint(error: Exception) -> tuple[str, str]:
    """What is wrong with a clip, and the remedy, for its operator.

    The errors' own texts are written for people who send recordings.
    """
    known = _COMPLAINTS.get(type(error))
    if known is not None:
        return known
    reason = str(error) or type(error).__name__
    return reason.rstrip("."), "Mend it, or take it out of the folder."


def is_silent(contours: Contours) -> bool:
    """Whether there is nothing in a clip to be compared with: every recording would score 0."""
    return float(contours.level_db.max(initial=-math.inf)) < _SILENT_DB


def broken(clip: Clip) -> ReferenceMissing:
    """For whoever sent the recording; why, the log has told whoever can mend it."""
    return ReferenceMissing(
        f"Clip {clip.id} is broken on the server: no recording can be compared with it. The "
        "server's log says why."
    )


class ReferenceBuilder:
    """Encodes clips whose entries are missing, stale or damaged, each on one worker only."""

    def __init__(self, model: str, store: ReferenceStore, encode: Encode) -> None:
        """``encode`` makes the reference of one clip; it is awaited from several tasks at once."""
        self._model = model
        self._store = store
        self._encode = encode
        self.failures: dict[VersionKey, str] = {}
        """Versions of clips that cannot be encoded, with the reason."""

    async def build_missing(self, clips: list[Clip], concurrency: int) -> None:
        """Complete the cache for ``clips``; those that fail are logged and left out."""
        if not clips:
            return
        invalid = await asyncio.to_thread(self._invalid, clips)
        _LOG.info(
            "%s: %d of %d clips are cached.", self._model, len(clips) - len(invalid), len(clips)
        )
        if not invalid:
            return
        progress = Progress(self._model, len(invalid), time.monotonic())
        waiting = deque(invalid)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(concurrency, len(waiting))):
                tasks.create_task(self._build_all(waiting, progress))

    def _invalid(self, clips: list[Clip]) -> list[Clip]:
        invalid, reasons = [], Counter[str]()
        for clip in clips:
            try:
                self._store.check(clip)
            except EntryInvalid as reason:
                invalid.append(clip)
                reasons[str(reason)] += 1
        for text, count in reasons.items():
            _LOG.info("%s: %d cache entries to build: %s.", self._model, count, text)
        return invalid

    async def _build_all(self, waiting: deque[Clip], progress: Progress) -> None:
        while waiting:
            clip = waiting.popleft()
            outcome = await self._build_if_free(clip)
            if outcome in _PAUSES_S:
                waiting.append(clip)
                await asyncio.sleep(_PAUSES_S[outcome])
                continue
            line = progress.done(outcome == "built", time.monotonic())
            if line:
                _LOG.info(line)

    async def _build_if_free(self, clip: Clip) -> _Outcome:
        """Busy while another worker is at the clip, or at one that shares its lock."""
        async with self._claimed(clip) as mine:
            if not mine:
                return "busy"
            try:
                await asyncio.to_thread(self._store.check, clip)
            except EntryInvalid:
                return await self._build(clip)
            return "found"

    @asynccontextmanager
    async def _claimed(self, clip: Clip) -> AsyncIterator[bool]:
        """The store's claim, taken and given back off the event loop."""
        claim = self._store.claim(clip)
        mine = await asyncio.to_thread(claim.__enter__)
        try:
            yield mine
        finally:
            await asyncio.to_thread(claim.__exit__, None, None, None)

    async def _build(self, clip: Clip) -> _Outcome:
        shared = self._store.shared
        try:
            if shared is None:
                reference = await self._encode_heard(clip)
            else:
                made = await shared.made(clip, self._encode_heard)
                if made is None:
                    return "elsewhere"
                reference = made
        except ClipChanged:
            # As it is now it is a clip of the next version of the library.
            return "built"
        except Exception as error:
            # Whatever is wrong with one clip, the others must be served.
            self._leave_out(clip, error)
            return "built"
        await self._keep(clip, reference)
        return "built"

    async def _encode_heard(self, clip: Clip) -> Reference:
        """The reference of a clip in which there is something to hear.

        Raises:
            SilentAudio: there is nothing; every recording would score 0.
            Exception: whatever keeps the clip from being encoded.
        """
        reference = await self._encode(clip)
        if is_silent(reference.contours):
            raise SilentAudio("The clip is silent.")
        return reference

    def _leave_out(self, clip: Clip, error: Exception) -> None:
        if isinstance(error, LibraryUnavailable):
            # Nothing is wrong with the clip, and its source has told what is.
            _LOG.debug("%s: clip %s is left for later: %s", self._model, clip.name, error)
            return
        if not isinstance(error, BatchError):
            # A model that failed once may do better when the clip is asked for.
            self.failures[clip.version_key] = str(error) or type(error).__name__
        self.report(clip, error)

    def report(self, clip: Clip, error: Exception) -> None:
        """Tell the operator why a clip cannot be used, and what to do."""
        _LOG.warning("%s: skipped clip %s: %s. %s", self._model, clip.name, *complaint(error))
        _LOG.debug("How clip %s failed:", clip.name, exc_info=error)

    async def _keep(self, clip: Clip, reference: Reference) -> None:
        try:
            await asyncio.to_thread(self._store.write, clip, reference)
        except ClipChanged:
            _LOG.info("%s: clip %s has changed while it was encoded.", self._model, clip.id)
        except OSError as error:
            _LOG.error(
                "%s: clip %s is not cached, it will be encoded again after a restart: %s. "
                "Free some space or make the cache folder writable.",
                self._model,
                clip.id,
                error,
            )
            self._store.remember(clip, as_kept(reference))

    async def build_now(self, clip: Clip, reason: EntryInvalid) -> Reference:
        """The reference of a clip that is asked for before it was built, or whose entry is damaged.

        While another worker is at it, that one's is waited for, but not for ever.

        Raises:
            ReferenceMissing: the clip cannot be used, or the model failed on it.
            ClipChanged: the clip has another version by now.
            LibraryUnavailable: the clip cannot be had now.
        """
        _LOG.info("%s: building the entry of clip %s: %s.", self._model, clip.id, reason)
        given_up = time.monotonic() + _PATIENCE_S
        while True:
            async with self._claimed(clip) as mine:
                with suppress(EntryInvalid):
                    return await asyncio.to_thread(self._store.read, clip)
                if mine or time.monotonic() > given_up:
                    return await self._encode_asked(clip, keep=mine)
            await asyncio.sleep(_RETRY_S)

    async def _encode_asked(self, clip: Clip, keep: bool) -> Reference:
        shared = self._store.shared
        found = None if shared is None else await shared.found_soon(clip)
        try:
            reference = found or as_kept(await self._encode_heard(clip))
        except LibraryUnavailable:
            raise
        except (BatchError, DeviceMemoryError) as error:
            self.report(clip, error)
            raise ReferenceMissing(
                f"No recording can be compared with clip {clip.id}: the model failed on it. "
                "The server's log says why."
            ) from error
        except (AudioError, OSError) as error:
            self._leave_out(clip, error)
            raise broken(clip) from error
        if keep:
            await self._keep(clip, reference)
        self._store.remember(clip, reference)
        if shared is not None and found is None:
            shared.offer_later(clip, reference)
        return reference

    def forget_failures_but(self, wanted: Collection[VersionKey]) -> None:
        """Let go of failures of versions that nobody asks for any more."""
        self.failures = {key: text for key, text in self.failures.items() if key in wanted}
