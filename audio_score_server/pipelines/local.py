"""A local model's path: decode and prepare, batch through the device, compare."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.batching import Batcher, Ticket
from audio_score_server.domain import Encoding, Reference, Score, Transcript, Utterance
from audio_score_server.errors import AudioError, AudioScoreError, NotReady, ReferenceMissing
from audio_score_server.pipelines.canary import Canary
from audio_score_server.pipelines.protocol import Traffic, Upload
from audio_score_server.references.build import ReferenceBuilder
from audio_score_server.references.entry import EntryInvalid
from audio_score_server.references.library import Clip, Library
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.protocol import Runner
from audio_score_server.scoring.score import score
from audio_score_server.stages import Stages

_LOG = logging.getLogger(__name__)
_CANDIDATES: Final = 5
"""Clips that are tried before a model goes without a canary."""
Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
_Ticket = Ticket[Utterance[Any], Encoding]


class LocalPipeline:
    """A loaded model with its batcher and its references.

    Decoding, feature extraction and comparison run on the shared CPU pool, the model on the
    batcher's thread; the event loop only waits.
    """

    def __init__(
        self,
        key: str,
        runner: Runner[Any],
        batcher: Batcher[Utterance[Any], Encoding],
        store: ReferenceStore,
        limits: DecodeLimits,
        pool: ThreadPoolExecutor,
        watched: bool = True,
    ) -> None:
        """``watched``: whether ``ailment`` will be asked for."""
        self.key = key
        self.placement = runner.placement
        self._batcher = batcher
        self._store = store
        self._runner = runner
        self._limits = limits
        self._pool = pool
        self._builder = ReferenceBuilder(key, store, self._encode_clip)
        self._rebuilding = asyncio.Lock()
        self._watched = watched
        self._canary: Canary | None = None
        self.on_death: Callable[[BaseException], object] = lambda _: None
        batcher.on_death = lambda error: self.on_death(error)

    async def start(self, library: Library, concurrency: int) -> None:
        """Warm the model up and complete its cache."""
        texts = [clip.text for clip in library.clips() if clip.text]
        objection = await self._in_pool(self._runner.objection, texts)
        if objection:
            _LOG.warning("Model %s: %s.", self.key, objection)
        await self._batcher.call(self._runner.warm_up)
        await self._builder.build_missing(library.clips(), concurrency)
        if self._watched:
            self._canary = await self._find_canary(library)

    async def close(self) -> None:
        """Refuse what still waits and let go of the model."""
        await self._batcher.close()
        self._runner.close()

    def failed(self, clip: Clip) -> bool:
        """Whether the clip could not be encoded."""
        return clip.id in self._builder.failures

    async def score(self, clip: Clip, upload: Upload, stages: Stages) -> Score:
        """See ``Pipeline.score``."""
        with self._batcher.admit(left_s=stages.deadline - time.monotonic()) as ticket:
            reference = await self._reference(clip)
            return await self._compare(ticket, reference, upload, stages)

    def traffic(self) -> Traffic:
        """The batcher's queue and the store's memory."""
        batcher, store = self._batcher, self._store
        return Traffic(batcher.waiting, batcher.oldest_s, store.hits, store.misses)

    async def ailment(self) -> str | None:
        """What the canary says."""
        return await self._canary.ailment() if self._canary else None

    async def _find_canary(self, library: Library) -> Canary | None:
        """Of the clip that is read fastest; an odd clip costs only itself."""
        clips = [clip for clip in library.clips() if not self.failed(clip)]
        for clip in sorted(clips, key=lambda clip: clip.size)[:_CANDIDATES]:
            try:
                return await self._canary_of(clip)
            except NotReady:
                raise
            except (AudioScoreError, OSError) as error:
                _LOG.warning("Model %s: %s is no canary: %s", self.key, clip.path.name, error)
        return None

    async def _canary_of(self, clip: Clip) -> Canary:
        # Kept: files that are changed or go later say nothing about the model.
        reference = await self._reference(clip)
        sound = await self._in_pool(clip.path.read_bytes)
        sing = partial(self._score_itself, reference, sound)
        canary = Canary(sing, lambda: self._batcher.batches)
        await canary.learn()
        return canary

    async def _score_itself(self, reference: Reference, sound: bytes) -> Score:
        """As if the clip's own sound were uploaded, however many requests are under way."""
        with self._batcher.admit(bounded=False) as ticket:
            return await self._compare(ticket, reference, lambda: sound, Stages())

    async def _compare(
        self, ticket: _Ticket, reference: Reference, upload: Upload, stages: Stages
    ) -> Score:
        with stages.measure("decode"):
            utterance, seconds = await self._in_pool(self._utterance, upload, reference.transcript)
        stages.audio_s = seconds
        submitted = time.monotonic()
        outcome = await ticket.submit(utterance, seconds)
        stages.add("queue", submitted, outcome.queued_s)
        stages.add("device", submitted + outcome.queued_s, outcome.device_s)
        with stages.measure("score"):
            return await self._in_pool(score, reference, outcome.result)

    async def _reference(self, clip: Clip) -> Reference:
        remembered = self._store.remembered(clip)
        if remembered is not None:
            return remembered
        if self.failed(clip):
            raise _missing(clip, self._builder.failures[clip.id])
        try:
            return await self._in_pool(self._store.read, clip)
        except EntryInvalid:
            return await self._rebuild(clip)

    async def _rebuild(self, clip: Clip) -> Reference:
        """One at a time: requests that wait here find the entry that the first one rebuilt."""
        async with self._rebuilding:
            try:
                return await self._in_pool(self._store.read, clip)
            except EntryInvalid as reason:
                try:
                    return await self._builder.rebuild(clip, reason)
                except (AudioError, OSError) as error:
                    raise _missing(clip, str(error)) from error

    async def _encode_clip(self, clip: Clip) -> Reference:
        with self._batcher.admit(bounded=False) as ticket:
            utterance, seconds = await self._in_pool(self._clip_utterance, clip)
            encoding = (await ticket.submit(utterance, seconds)).result
        return Reference(encoding.features, _reference_transcript(utterance, encoding))

    def _clip_utterance(self, clip: Clip) -> tuple[Utterance[Any], float]:
        expected = self._runner.expected(clip.text) if clip.text else None
        return self._utterance(clip.path.read_bytes, expected)

    def _utterance(
        self, upload: Upload, expected: Transcript | None
    ) -> tuple[Utterance[Any], float]:
        """What goes to the device, and how long its sound is."""
        waveform = decode(upload(), self._limits)
        return Utterance(self._runner.prepare(waveform), expected), waveform.seconds

    async def _in_pool(
        self, function: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


def _reference_transcript(clip: Utterance[Any], heard: Encoding) -> Transcript:
    """What the clip says: as its text tells, else as heard; in the language that was heard."""
    if clip.expected is None:
        return heard.transcript
    return replace(clip.expected, language=clip.expected.language or heard.transcript.language)


def _missing(clip: Clip, reason: str) -> ReferenceMissing:
    return ReferenceMissing(f"Clip {clip.id} cannot be compared with: {reason}")
