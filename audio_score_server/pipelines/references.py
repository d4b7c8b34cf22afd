"""One model's references: of clips, from memory, from the cache, or encoded anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from audio_score_server.audio.contours import contours
from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.batching import Batcher
from audio_score_server.domain import (
    EncoderFeatures,
    Encoding,
    Reference,
    Transcript,
    Utterance,
    Waveform,
)
from audio_score_server.language.languages import Language
from audio_score_server.library.clip import Clip, ClipId, Library, VersionKey
from audio_score_server.pipelines.protocol import ReferenceStatus
from audio_score_server.pipelines.threads import run_in
from audio_score_server.references.build import ReferenceBuilder, broken
from audio_score_server.references.entry import EntryInvalid
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.protocol import Runner

_LOG = logging.getLogger(__name__)


class ReferenceProvider:
    """Gives one model's reference of any clip; several tasks may ask at once.

    A clip is decoded, batched and encoded like an upload: there is no second way that could differ.
    """

    def __init__(
        self,
        key: str,
        runner: Runner[Any],
        batcher: Batcher[Utterance[Any], Encoding],
        store: ReferenceStore,
        pool: ThreadPoolExecutor,
        limits: DecodeLimits,
    ) -> None:
        """Encode with ``runner`` through ``batcher``, decode on ``pool``, keep in ``store``."""
        self.store = store
        self.language: Language | None = None
        """That the library's texts are in beyond doubt."""
        self._key = key
        self._runner = runner
        self._batcher = batcher
        self._pool = pool
        self._limits = limits
        self._builder = ReferenceBuilder(key, store, self._encode)
        self._ready: set[VersionKey] = set()
        self._locks = WeakValueDictionary[VersionKey, asyncio.Lock]()

    def failed(self, clip: Clip) -> bool:
        """Whether the clip could not be encoded."""
        return clip.version_key in self._builder.failures

    def new_among(self, clips: Sequence[Clip]) -> list[Clip]:
        """Those that no version of the library before had as they are."""
        return [clip for clip in clips if clip.version_key not in self._ready]

    async def build(self, clips: Sequence[Clip], concurrency: int) -> None:
        """Complete the cache, ``concurrency`` clips at once; those that fail are logged."""
        await self._builder.build_missing(list(clips), concurrency)

    async def use(self, library: Library, concurrency: int) -> None:
        """Complete the cache for a version of the library: for what is new in it."""
        clips = library.clips()
        await self.build(self.new_among(clips), concurrency)
        self._ready = {clip.version_key for clip in clips}
        self._builder.forget_failures_but(self._ready)

    async def status(self, clip: Clip) -> ReferenceStatus:
        """How far the clip's reference is."""
        if self.failed(clip):
            return ReferenceStatus("failed")
        try:
            reference = await run_in(self._pool, self.store.read, clip)
        except EntryInvalid:
            return ReferenceStatus("pending")
        contours = reference.contours
        duration_s = len(contours.level_db) * contours.step_s
        return ReferenceStatus("ready", reference.transcript.language, duration_s)

    async def reference(self, clip: Clip) -> Reference:
        """The reference of a clip.

        Raises:
            ReferenceMissing: the clip cannot be used; the log says why.
            ClipChanged: it has another version by now.
        """
        remembered = self.store.remembered(clip)
        if remembered is not None:
            return remembered
        if self.failed(clip):
            raise broken(clip)
        try:
            return await run_in(self._pool, self.store.read, clip)
        except EntryInvalid:
            return await self._build_now(clip)

    async def features_of(
        self, clips: Sequence[Clip], concurrency: int
    ) -> dict[ClipId, EncoderFeatures]:
        """Features of clips of the library or the package; without those that cannot be had."""
        await self.build([each for each in clips if not self.failed(each)], concurrency)
        found = {}
        for clip in clips:
            try:
                found[clip.id] = (await run_in(self._pool, self.store.read, clip)).features
            except EntryInvalid as reason:
                _LOG.warning("Model %s: does without %s: %s.", self._key, clip.name, reason)
        return found

    async def _build_now(self, clip: Clip) -> Reference:
        """Once: requests that wait here find the entry that the first one built."""
        lock = self._locks.setdefault(clip.version_key, asyncio.Lock())
        async with lock:
            if self.failed(clip):
                raise broken(clip)
            try:
                return await run_in(self._pool, self.store.read, clip)
            except EntryInvalid as reason:
                return await self._builder.build_now(clip, reason)

    async def _encode(self, clip: Clip) -> Reference:
        expected = await run_in(self._pool, self._expected, clip.text) if clip.text else None
        with self._batcher.admit(bounded=False) as ticket:
            # Where clips are far away this takes long: the pool has other work.
            content = await asyncio.to_thread(clip.read)
            waveform, features = await run_in(self._pool, self._prepare, content)
            outcome = await ticket.submit(Utterance(features, expected), waveform.seconds)
        encoding = outcome.result
        return Reference(
            encoding.features,
            _transcript(expected, encoding),
            await run_in(self._pool, contours, waveform),
            encoding.alignment,
        )

    def _prepare(self, content: bytes) -> tuple[Waveform, Any]:
        waveform = decode(content, self._limits)
        return waveform, self._runner.prepare(waveform)

    def _expected(self, text: str) -> Transcript | None:
        """A perfect reading; in the library's language where the text is in it, however it sounds.

        A learner's English is often taken for the learner's own language.
        """
        expected = self._runner.expected(text)
        if expected is None or expected.language is not None:
            return expected
        if self.language is None or not self.language.is_language_of(text):
            return expected
        return replace(expected, language=self.language.code)


def _transcript(expected: Transcript | None, heard: Encoding) -> Transcript:
    """What the clip says: as its text tells, else as heard; in the language that was heard."""
    if expected is None:
        return heard.transcript
    return replace(expected, language=expected.language or heard.transcript.language)
