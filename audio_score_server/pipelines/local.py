"""A local model's path: decode and prepare, batch through the device, compare."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple

from audio_score_server.audio.contours import contours
from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.batching import Batcher, Ticket
from audio_score_server.domain import (
    Contours,
    EncoderFeatures,
    Encoding,
    Reference,
    Score,
    Transcript,
    Utterance,
    Waveform,
)
from audio_score_server.errors import (
    AudioError,
    AudioScoreError,
    NotReady,
    QueueFull,
)
from audio_score_server.language.english import foreign_letters, surely_english
from audio_score_server.language.lexicon import pronounce
from audio_score_server.pipelines.audio import Aligned, AudioMeasure, Impostor, Pooled
from audio_score_server.pipelines.canary import Canary
from audio_score_server.pipelines.protocol import Explanation, Judgement, Traffic, Upload
from audio_score_server.references.build import ReferenceBuilder, broken
from audio_score_server.references.cohort import COHORT, built_in_speech, choose_cohort
from audio_score_server.references.entry import EntryInvalid
from audio_score_server.references.library import Clip, ClipId, Library
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.protocol import Runner
from audio_score_server.scoring.detail import explain
from audio_score_server.scoring.text import borne_out, text_similarity
from audio_score_server.scoring.verdict import Evidence, verdicts
from audio_score_server.scoring.version import SCORE_VERSION
from audio_score_server.scoring.view import View, fit_phone_view, fit_white_view
from audio_score_server.scoring.words_by_phones import Sounds
from audio_score_server.settings import AudioFeatures
from audio_score_server.stages import Stages

_LOG = logging.getLogger(__name__)
_ENGLISH: Final = "en"
_CANDIDATES: Final = 5
"""Clips that are tried before a model goes without a canary."""
Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
_Ticket = Ticket[Utterance[Any], Encoding]


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a local model is used.

    Attributes:
        limits: of recordings and clips.
        aligned: whether sounds are compared frame by frame, or by their means alone.
        features: whose are compared: the model's ``own``, the ears' ``phones``, or by ``auto`` the
            latter for clips in English.
        fitted: whether the model's own features are seen through a view that is fitted to them.
        watched: whether ``ailment`` will be asked for.
    """

    limits: DecodeLimits
    aligned: bool = True
    features: AudioFeatures = "own"
    fitted: bool = False
    watched: bool = True


@dataclass(frozen=True, slots=True)
class Hearing:
    """A clip and a recording of it, as one model hears both.

    Attributes:
        reference: the clip.
        encoding: the recording.
    """

    reference: Reference
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Take:
    """A recording as far as one model has come with it.

    Attributes:
        waveform: its sound.
        encoding: what the model hears in it.
        phones: what the ears hear in it, where they have a say.
    """

    waveform: Waveform
    encoding: Encoding
    phones: Hearing | None


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
        pool: ThreadPoolExecutor,
        options: LocalOptions,
        ears: LocalPipeline | None = None,
    ) -> None:
        """``ears``: a model that hears phones, and tells of them where this one cannot."""
        self.key = key
        self.placement = runner.placement
        self._batcher = batcher
        self._store = store
        self._runner = runner
        self._options = options
        self._ears = ears
        self._pool = pool
        self._builder = ReferenceBuilder(key, store, self._encode_clip)
        self._measure: AudioMeasure = Pooled()
        self._starting = asyncio.Lock()
        self._started = False
        self._rebuilding = asyncio.Lock()
        self._canary: Canary | None = None
        self._english_library = False
        self.on_death: Callable[[BaseException], object] = lambda _: None
        batcher.on_death = lambda error: self.on_death(error)

    async def start(self, library: Library, concurrency: int) -> None:
        """Warm the model up and complete its cache; done once, whoever asks."""
        async with self._starting:
            if self._started:
                return
            if self._ears is not None:
                await self._start_ears(self._ears, library, concurrency)
            await self._start(library, concurrency)
            self._started = True

    async def _start_ears(self, ears: LocalPipeline, library: Library, concurrency: int) -> None:
        """Where they only explain, a model can do without."""
        try:
            await ears.start(library, concurrency)
        except Exception as error:
            if self._options.features == "phones":
                raise
            _LOG.warning("Model %s: without a phone encoder to help: %r.", self.key, error)
            self._ears = None

    async def _start(self, library: Library, concurrency: int) -> None:
        texts = [clip.text for clip in library.clips() if clip.text]
        self._english_library = surely_english(texts)
        objection = await self._in_pool(self._runner.objection, texts)
        if objection:
            _LOG.warning("Model %s: %s.", self.key, objection)
        await self._batcher.call(self._runner.warm_up)
        await self._builder.build_missing(library.clips(), concurrency)
        if self._options.aligned:
            cohort = await self._cohort(library, concurrency)
            view = await self._fit_view(cohort, concurrency) if self._options.fitted else None
            self._measure = Aligned(cohort, view, await self._reserve(cohort, concurrency))
        if self._options.watched:
            self._canary = await self._find_canary(library)

    async def _cohort(self, library: Library, concurrency: int) -> list[Impostor]:
        """Those of the cohort that can be heard."""
        clips = choose_cohort([clip for clip in library.clips() if not self.failed(clip)])
        built_in = [each for each in clips if each.id.uid == COHORT]
        _LOG.info(
            "%s: lines are told apart by %d clips, %d of them built in.",
            self.key,
            len(clips),
            len(built_in),
        )
        features = await self.features_of(clips, concurrency)
        return [Impostor(clip, features[clip.id]) for clip in clips if clip.id in features]

    async def _reserve(self, cohort: Sequence[Impostor], concurrency: int) -> list[Impostor]:
        """Built-in lines beside the cohort: a library may hold one sound any number of times."""
        known = {impostor.clip.id for impostor in cohort}
        lines = [line for line in choose_cohort([]) if line.id not in known]
        features = await self.features_of(lines, concurrency)
        return [Impostor(line, features[line.id]) for line in lines if line.id in features]

    async def _fit_view(self, cohort: Sequence[Impostor], concurrency: int) -> View | None:
        """On the built-in speech and the cohort, with the ears as the teacher where there are any.

        Fitted at every start, from features that are cached: nothing can be stale.
        """
        own = {impostor.clip.id: impostor.features for impostor in cohort}
        others = [clip for clip in built_in_speech() if clip.id not in own]
        own |= await self.features_of(others, concurrency)
        speech = [*(impostor.clip for impostor in cohort), *others]
        taught = await self._ears.features_of(speech, concurrency) if self._ears else {}
        pairs = [(own[each], taught[each]) for each in own if each in taught]
        view = await self._in_pool(fit_phone_view, pairs)
        if view is None:
            _LOG.warning("Model %s: its features are whitened: no phones to fit them to.", self.key)
            return await self._in_pool(fit_white_view, [*own.values()])
        return view

    async def features_of(
        self, clips: Sequence[Clip], concurrency: int
    ) -> dict[ClipId, EncoderFeatures]:
        """What the model hears in clips of the library or the package; not those that it cannot."""
        await self._builder.build_missing(
            [each for each in clips if not self.failed(each)], concurrency
        )
        found = {}
        for clip in clips:
            try:
                found[clip.id] = (await self._in_pool(self._store.read, clip)).features
            except EntryInvalid as reason:
                _LOG.warning("Model %s: does without %s: %s.", self.key, clip.path.name, reason)
        return found

    async def close(self) -> None:
        """Refuse what still waits and let go of the model."""
        await self._batcher.close()
        self._runner.close()

    def failed(self, clip: Clip) -> bool:
        """Whether the clip could not be encoded."""
        return clip.id in self._builder.failures

    async def score(
        self, clip: Clip, upload: Upload, stages: Stages, explained: bool = False
    ) -> Judgement:
        """See ``Pipeline.score``."""
        with self._batcher.admit(left_s=stages.deadline - time.monotonic()) as ticket:
            reference = await self._reference(clip)
            take = await self._hear(ticket, clip, reference, upload, stages)
            with stages.measure("score"):
                return await self._judge(clip, reference, take, explained)

    async def score_all(self, clips: Sequence[Clip], upload: Upload) -> list[Judgement]:
        """See ``Pipeline.score_all``."""
        waveform = await self._in_pool(self._decode, upload)
        hearings = await self.listen_all(clips, waveform)
        phones = await self._listen_for_all_phones(clips, hearings, waveform)
        recording = await self._in_pool(contours, waveform)
        return await asyncio.gather(
            *(
                self._in_pool(self._judge_heard, *heard, recording)
                for heard in zip(clips, hearings, phones, strict=True)
            )
        )

    async def listen_all(self, clips: Sequence[Clip], waveform: Waveform) -> list[Hearing]:
        """What this model hears in one recording of several clips, as it hears it of each."""
        references = [await self._reference(clip) for clip in clips]
        features = await self._in_pool(self._runner.prepare, waveform)
        # A transcript is in the language of what is expected.
        alike: dict[str | None, list[int]] = defaultdict(list)
        for place, reference in enumerate(references):
            alike[reference.transcript.language].append(place)
        encodings: dict[int, Encoding] = {}
        for places in alike.values():
            own, *others = (references[place].transcript for place in places)
            utterance = Utterance(features, own, tuple(others))
            with self._batcher.admit(bounded=False) as ticket:
                encoding = (await ticket.submit(utterance, waveform.seconds)).result
            encodings |= dict(zip(places, (encoding, *encoding.others), strict=True))
        return [Hearing(each, encodings[place]) for place, each in enumerate(references)]

    async def listen(self, clip: Clip, waveform: Waveform) -> Hearing:
        """What this model hears in a recording that another one has let in."""
        reference = await self._reference(clip)
        with self._batcher.admit(bounded=False) as ticket:
            features = await self._in_pool(self._runner.prepare, waveform)
            utterance = Utterance(features, reference.transcript)
            return Hearing(reference, (await ticket.submit(utterance, waveform.seconds)).result)

    def alike(self, clip: Clip, hearing: Hearing) -> float:
        """How alike clip and recording sound to this model, from 0 to 1."""
        return self._measure.score(clip, hearing.reference, hearing.encoding.features)

    async def _judge(
        self, clip: Clip, reference: Reference, take: Take, explained: bool
    ) -> Judgement:
        own, phones = Hearing(reference, take.encoding), take.phones
        score = await self._in_pool(self._score, clip, own, phones)
        if not explained:
            return Judgement(score)
        recording = await self._in_pool(contours, take.waveform)
        reasons = await self._in_pool(self._explain, clip, own, phones, recording, score)
        return Judgement(score, reasons)

    def _judge_heard(
        self, clip: Clip, own: Hearing, phones: Hearing | None, recording: Contours
    ) -> Judgement:
        score = self._score(clip, own, phones)
        return Judgement(score, self._explain(clip, own, phones, recording, score))

    async def _listen_for_phones(
        self, clip: Clip, reference: Reference, waveform: Waveform, stages: Stages
    ) -> Hearing | None:
        """What the ears hear, where they have a say."""
        if self._ears is None or not self._by_phones(reference):
            return None
        with stages.measure("phones"):
            return await self._ears.listen(clip, waveform)

    def _by_phones(self, reference: Reference) -> bool:
        """Whether the ears have a say: in English, where they know the words' sounds, always."""
        return self._options.features == "phones" or _english(reference)

    async def _listen_for_all_phones(
        self, clips: Sequence[Clip], hearings: Sequence[Hearing], waveform: Waveform
    ) -> list[Hearing | None]:
        """As ``_listen_for_phones``, for several clips."""
        wanted = [
            place for place, hearing in enumerate(hearings) if self._by_phones(hearing.reference)
        ]
        if self._ears is None or not wanted:
            return [None] * len(clips)
        heard = await self._ears.listen_all([clips[place] for place in wanted], waveform)
        found = dict(zip(wanted, heard, strict=True))
        return [found.get(place) for place in range(len(clips))]

    def _score(self, clip: Clip, own: Hearing, phones: Hearing | None) -> Score:
        text = text_similarity(own.reference.transcript, own.encoding)
        if phones is None or self._ears is None:
            return Score(self.alike(clip, own), text)
        if _english(own.reference):
            sounds = text_similarity(phones.reference.transcript, phones.encoding)
            text = borne_out(text, sounds)
        if self._options.features == "own":
            return Score(self.alike(clip, own), text)
        return Score(self._ears.alike(clip, phones), text)

    def _explain(
        self, clip: Clip, own: Hearing, phones: Hearing | None, recording: Contours, score: Score
    ) -> Explanation:
        reference, encoding = own.reference, own.encoding
        heard = (encoding.features, reference.features)
        detail = explain(
            reference,
            encoding,
            recording,
            self._measure.path(reference, encoding.features),
            text=clip.text,
            spoken=pronounce(clip.text) if clip.text else (),
            companion=_sounds(clip, phones) if _english(reference) else None,
            verdicts=verdicts(Evidence(score, reference.contours, recording, *heard)),
            score_version=SCORE_VERSION,
        )
        return Explanation(detail, reference.contours, recording)

    def full(self, left_s: float) -> QueueFull | None:
        """As the batcher."""
        return self._batcher.full(left_s)

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
        sing = partial(self._score_itself, clip, reference, sound)
        canary = Canary(sing, lambda: self._batcher.batches)
        await canary.learn()
        return canary

    async def _score_itself(self, clip: Clip, reference: Reference, sound: bytes) -> Score:
        """As if the clip's own sound were uploaded, however many requests are under way."""
        with self._batcher.admit(bounded=False) as ticket:
            take = await self._hear(ticket, clip, reference, lambda: sound, Stages())
            return (await self._judge(clip, reference, take, explained=False)).score

    async def _hear(
        self, ticket: _Ticket, clip: Clip, reference: Reference, upload: Upload, stages: Stages
    ) -> Take:
        with stages.measure("decode"):
            waveform, features = await self._in_pool(self._prepare, upload)
        stages.audio_s = waveform.seconds
        # Both at once: on two devices, or on one that has room, the second costs nothing.
        listening = asyncio.create_task(self._listen_for_phones(clip, reference, waveform, stages))
        listening.add_done_callback(_look_at)
        try:
            submitted = time.monotonic()
            utterance = Utterance(features, reference.transcript)
            outcome = await ticket.submit(utterance, waveform.seconds)
            stages.add("queue", submitted, outcome.queued_s)
            stages.add("device", submitted + outcome.queued_s, outcome.device_s)
            return Take(waveform, outcome.result, await listening)
        finally:
            listening.cancel()

    def _prepare(self, upload: Upload) -> tuple[Waveform, Any]:
        waveform = self._decode(upload)
        return waveform, self._runner.prepare(waveform)

    def _decode(self, upload: Upload) -> Waveform:
        return decode(upload(), self._options.limits)

    async def _reference(self, clip: Clip) -> Reference:
        remembered = self._store.remembered(clip)
        if remembered is not None:
            return remembered
        if self.failed(clip):
            raise broken(clip)
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
                    self._builder.report(clip, error)
                    raise broken(clip) from error

    async def _encode_clip(self, clip: Clip) -> Reference:
        expected = await self._in_pool(self._expected, clip.text) if clip.text else None
        with self._batcher.admit(bounded=False) as ticket:
            waveform, features = await self._in_pool(self._prepare, clip.path.read_bytes)
            outcome = await ticket.submit(Utterance(features, expected), waveform.seconds)
        encoding = outcome.result
        return Reference(
            encoding.features,
            _reference_transcript(expected, encoding),
            await self._in_pool(contours, waveform),
            encoding.alignment,
        )

    def _expected(self, text: str) -> Transcript | None:
        """A perfect reading; in English where library and text say so, however it sounds.

        A learner's English is often taken for the learner's own language.
        """
        expected = self._runner.expected(text)
        if expected is None or expected.language is not None:
            return expected
        english = self._english_library and surely_english([text]) and not foreign_letters(text)
        return replace(expected, language=_ENGLISH) if english else expected

    async def _in_pool(
        self, function: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended that may be waited for no more."""
    if not task.cancelled():
        task.exception()


def _english(reference: Reference) -> bool:
    """Whether the clip is in the language whose words' sounds are known."""
    return reference.transcript.language == _ENGLISH


def _sounds(clip: Clip, phones: Hearing | None) -> Sounds | None:
    """The phones of the clip's text as another model hears them."""
    if phones is None or clip.text is None:
        return None
    said, heard = phones.reference.alignment, phones.encoding.alignment
    if said is None or heard is None:
        return None
    return Sounds(pronounce(clip.text), said, heard, phones.encoding.features.frame_rate_hz)


def _reference_transcript(expected: Transcript | None, heard: Encoding) -> Transcript:
    """What the clip says: as its text tells, else as heard; in the language that was heard."""
    if expected is None:
        return heard.transcript
    return replace(expected, language=expected.language or heard.transcript.language)
