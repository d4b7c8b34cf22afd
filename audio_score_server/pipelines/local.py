"""A local model's path: decode and prepare, batch through the device, compare."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from audio_score_server.audio.contours import contours
from audio_score_server.audio.decode import decode
from audio_score_server.batching import Ticket
from audio_score_server.domain import (
    Encoding,
    Reference,
    Score,
    Transcript,
    Utterance,
    Waveform,
)
from audio_score_server.errors import QueueFull
from audio_score_server.language.languages import language_of_library
from audio_score_server.library.clip import Clip, Library
from audio_score_server.pipelines.analysis import ClipReferences, EncodedPair, EncodedRecording
from audio_score_server.pipelines.batch_scoring import BatchScoring
from audio_score_server.pipelines.calibration import Calibrator, Measure
from audio_score_server.pipelines.canary import Canary, find_canary
from audio_score_server.pipelines.comparison import Comparator
from audio_score_server.pipelines.line_search import LineSearch
from audio_score_server.pipelines.parts import LocalParts
from audio_score_server.pipelines.protocol import (
    Model,
    ReferenceStatus,
    ScoreResult,
    Traffic,
    Upload,
)
from audio_score_server.pipelines.references import ReferenceProvider
from audio_score_server.pipelines.threads import retrieve_exception, run_in
from audio_score_server.scoring.words import ClipWord
from audio_score_server.telemetry.stages import Stages

_LOG = logging.getLogger(__name__)


class LocalPipeline(BatchScoring):
    """A loaded model with its batcher and its references.

    Decoding, feature extraction and comparison run on the shared CPU pool, the model on the
    batcher's thread; the event loop only waits.
    """

    def __init__(self, parts: LocalParts, phone_model: LocalPipeline | None = None) -> None:
        """``phone_model``: hears phones where this one hears words."""
        self.key, runner, options = parts.key, parts.runner, parts.options
        batcher, pool = parts.batcher, parts.pool
        self.info = runner.info
        self.needs: Sequence[Model] = (phone_model,) if phone_model else ()
        self.references = ReferenceProvider(
            self.key, runner, batcher, parts.store, pool, options.limits
        )
        self.on_death: Callable[[BaseException], object] = lambda _: None
        hears_phones = runner.phone_language is not None
        self.lines = LineSearch(self.key, parts.store, pool) if hears_phones else None
        self._batcher = batcher
        self._runner = runner
        self._options = options
        self._phone_model = phone_model
        self._pool = pool
        self.comparator = self._comparator()
        self._starting = asyncio.Lock()
        self._started = False
        self._canary: Canary | None = None
        self._measure: Measure | None = None
        batcher.on_death = lambda error: self.on_death(error)

    def _comparator(self) -> Comparator:
        phones = self._phone_model.comparator if self._phone_model else None
        return Comparator(self._options.features, self._runner.phone_language, phones)

    async def start(self, library: Library, concurrency: int) -> None:
        """Warm the model up and complete its cache; done once, whoever asks."""
        async with self._starting:
            if self._started:
                return
            if self._phone_model is not None:
                await self._start_phones(self._phone_model, library, concurrency)
            await self._batcher.call(self._runner.warm_up)
            await self.use(library, concurrency)
            if self._options.watched:
                clips = [clip for clip in library.clips() if not self.failed(clip)]
                self._canary = await find_canary(self.key, clips, self._canary_of)
            self._started = True

    async def _start_phones(self, model: LocalPipeline, library: Library, concurrency: int) -> None:
        """Where it only explains, this model can do without."""
        try:
            await model.start(library, concurrency)
        except Exception as error:
            if self._options.features == "phones":
                raise
            _LOG.warning("Model %s: without a phone encoder to help: %r.", self.key, error)
            self._phone_model = None
            self.comparator = self._comparator()

    async def use(self, library: Library, concurrency: int) -> None:
        """Make ready for a version of the library, while requests for another go on."""
        clips = library.clips()
        texts = [clip.text for clip in clips if clip.text]
        self.references.language = await run_in(self._pool, language_of_library, texts)
        new_texts = [clip.text for clip in self.references.new_among(clips) if clip.text]
        warning = await run_in(self._pool, self._runner.compatibility_warning, new_texts)
        if warning:
            _LOG.warning("Model %s: %s.", self.key, warning)
        if self._options.ahead:
            await self.references.use(library, concurrency)
        if self._options.aligned:
            teacher = self._phone_model.references if self._phone_model else None
            made_for = (self.references, teacher, self._options.fitted)
            calibrator = Calibrator(self.key, *made_for, self._pool, concurrency)
            self._measure = await calibrator.measure(library, self._measure)
            self.comparator.similarity = self._measure.similarity
        if self.lines is not None:
            self.lines.follow(clips)

    async def prepare(self, clip: Clip) -> None:
        """See ``Scorer.prepare``."""
        await self._references_of(clip)

    async def clip_words(self, clip: Clip) -> Sequence[ClipWord]:
        """See ``Scorer.clip_words``."""
        references = await self._references_of(clip)
        return await run_in(self._pool, self.comparator.clip_words, clip, references)

    async def reference_status(self, clip: Clip) -> ReferenceStatus:
        """See ``Scorer.reference_status``."""
        return await self.references.status(clip)

    async def close(self) -> None:
        """Refuse what still waits and let go of the model."""
        if self.lines is not None:
            self.lines.close()
        await self._batcher.close()
        self._runner.close()

    def failed(self, clip: Clip) -> bool:
        """Whether the clip could not be encoded."""
        return self.references.failed(clip)

    def full(self, left_s: float) -> QueueFull | None:
        """As the batcher."""
        return self._batcher.full(left_s)

    def traffic(self) -> Traffic:
        """The batcher's queue and the store's memory."""
        batcher, store = self._batcher, self.references.store
        return Traffic(batcher.waiting, batcher.oldest_s, store.hits, store.misses)

    async def health_error(self) -> str | None:
        """What the canary says."""
        return await self._canary.health_error() if self._canary else None

    async def score(
        self, clip: Clip, upload: Upload, stages: Stages, detailed: bool = False
    ) -> ScoreResult:
        """See ``Scorer.score``."""
        with self._batcher.admit(left_s=stages.deadline - time.monotonic()) as ticket:
            # Before the recording is read: of a clip that changes now, the next version is asked.
            references = await self._references_of(clip)
            recorded = await self._encode(ticket, references, upload, stages)
            with stages.measure("score"):
                return await self._compare(clip, references.own, recorded, detailed)

    async def encode_against(self, expected: Transcript, waveform: Waveform) -> Encoding:
        """A sound that should say ``expected``, for callers that bound their own number."""
        # Announced before it is prepared: whoever is first waits a little for it.
        with self._batcher.admit(bounded=False) as ticket:
            features = await run_in(self._pool, self._runner.prepare, waveform)
            return (await ticket.submit(Utterance(features, expected), waveform.seconds)).result

    async def _encode(
        self,
        ticket: Ticket[Utterance[Any], Encoding],
        references: ClipReferences,
        upload: Upload,
        stages: Stages,
    ) -> EncodedRecording:
        with stages.measure("decode"):
            waveform, features = await run_in(self._pool, self._prepare, upload)
        stages.audio_s = waveform.seconds
        # Both at once: on two devices, or on one with room, the second costs nothing.
        phones = asyncio.create_task(self._encode_phones(references, waveform, stages))
        phones.add_done_callback(retrieve_exception)
        try:
            submitted = time.monotonic()
            utterance = Utterance(features, references.own.transcript)
            outcome = await ticket.submit(utterance, waveform.seconds)
            stages.add("queue", submitted, outcome.queued_s)
            stages.add("device", submitted + outcome.queued_s, outcome.device_s)
            return EncodedRecording(waveform, outcome.result, await phones)
        finally:
            phones.cancel()

    async def _encode_phones(
        self, references: ClipReferences, waveform: Waveform, stages: Stages
    ) -> EncodedPair | None:
        """By the auxiliary phone model, where it has a say."""
        if self._phone_model is None or references.phones is None:
            return None
        with stages.measure("phones"):
            transcript = references.phones.transcript
            encoding = await self._phone_model.encode_against(transcript, waveform)
        return EncodedPair(references.phones, encoding)

    async def _references_of(self, clip: Clip) -> ClipReferences:
        """The clip as this model and, where it has a say, the auxiliary phone model encoded it.

        Raises:
            ClipChanged: it has another version by now.
        """
        own = await self.references.reference(clip)
        if self._phone_model is None or not self.comparator.uses_phones(own):
            return ClipReferences(own, None)
        return ClipReferences(own, await self._phone_model.references.reference(clip))

    async def _compare(
        self, clip: Clip, reference: Reference, recorded: EncodedRecording, detailed: bool
    ) -> ScoreResult:
        own, phones = EncodedPair(reference, recorded.encoding), recorded.phones
        comparator = self.comparator
        if not detailed:
            return ScoreResult(await run_in(self._pool, comparator.score, clip, own, phones))
        recording = await run_in(self._pool, contours, recorded.waveform)
        return await run_in(self._pool, comparator.compare, clip, own, phones, recording)

    async def _canary_of(self, clip: Clip) -> Canary:
        # Kept: files that are changed or go later say nothing about the model.
        references = await self._references_of(clip)
        sound = await run_in(self._pool, clip.read)

        async def probe() -> Score:
            """As if the clip's own sound were uploaded, however many requests are under way."""
            with self._batcher.admit(bounded=False) as ticket:
                encoded = await self._encode(ticket, references, lambda: sound, Stages())
                return (await self._compare(clip, references.own, encoded, detailed=False)).score

        canary = Canary(probe, lambda: self._batcher.batches)
        await canary.record_baseline()
        return canary

    def _prepare(self, upload: Upload) -> tuple[Waveform, Any]:
        waveform = self._decode(upload)
        return waveform, self._runner.prepare(waveform)

    def _decode(self, upload: Upload) -> Waveform:
        return decode(upload(), self._options.limits)
