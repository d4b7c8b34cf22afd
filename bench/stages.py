"""The phones runner's path from bytes to a score, stage by stage, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from audio_score_server.audio.contours import contours
from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Encoding, Reference, Utterance, Waveform
from audio_score_server.references.clips import Clip, ClipId
from audio_score_server.references.folder import FolderSource
from audio_score_server.references.tensors import as_kept
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import load_runner
from audio_score_server.scoring.text import text_similarity
from audio_score_server.settings import PhonesSettings, load_settings
from audio_score_server.similarity.cohort import choose_cohort
from audio_score_server.similarity.measure import AlignedSimilarity, Impostor
from bench.demo import DEMO_CLIPS, ROOT, ids
from bench.measure import median, progress, timed
from bench.recordings import Recording

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds a recording, each the mean over recordings of the median over repeats.

    Attributes:
        decode: bytes to waveform.
        prepare: waveform to log-mel.
        run_alone: network and alignment, one recording at a time.
        run_batched: the same in full batches, divided by their size.
        score: alignment of sounds, and evidence of the text.
    """

    decode: float
    prepare: float
    run_alone: float
    run_batched: float
    score: float

    @property
    def total(self) -> float:
        """With full batches."""
        return self.decode + self.prepare + self.run_batched + self.score


class Stages:
    """The runner, the recordings and the references of their clips, ready to be timed."""

    def __init__(self, recordings: list[Recording], batch_size: int) -> None:
        settings = load_settings(
            {"model_keys": "phones", "device": "cpu"}, {}, ROOT / "config.json"
        )
        self._runner: Runner[Any] = load_runner(
            PhonesSettings(key="phones", type="phones"), settings
        )
        self._runner.warm_up()
        self._limits = DecodeLimits(
            settings.target_sampling_rate, settings.min_audio_seconds, settings.max_audio_seconds
        )
        self._batch_size = batch_size
        self._data = [recording.data for recording in recordings]
        clips = FolderSource(DEMO_CLIPS).library().clips()
        cohort = choose_cohort(clips)
        references = {clip.id: self._reference(clip) for clip in {*clips, *cohort}}
        self._measure = AlignedSimilarity(
            [Impostor(clip, references[clip.id].features) for clip in cohort]
        )
        found = {clip.id: (clip, references[clip.id]) for clip in clips}
        self._expected = [found[ClipId(*ids(recording.name))] for recording in recordings]

    def _reference(self, clip: Clip) -> Reference:
        """Made the way the pipeline makes it."""
        expected = self._runner.expected(clip.text or "")
        waveform = self._decode(clip.read())
        (encoding,) = self._runner.run([self._utterance(waveform, expected)])
        transcript = expected or encoding.transcript
        return as_kept(
            Reference(encoding.features, transcript, contours(waveform), encoding.alignment)
        )

    def _decode(self, data: bytes) -> Waveform:
        return decode(data, self._limits)

    def _utterance(self, waveform: Waveform, expected: Any) -> Utterance[Any]:
        return Utterance(self._runner.prepare(waveform), expected)

    def costs(self, repeats: int, what: str) -> Costs:
        """Time every stage on every recording."""
        waveforms = [self._decode(data) for data in self._data]
        utterances = [
            self._utterance(waveform, reference.transcript)
            for waveform, (_, reference) in zip(waveforms, self._expected, strict=True)
        ]
        pairs = list(zip(self._expected, self._encodings(utterances), strict=True))
        size = self._batch_size
        alone = [[utterance] for utterance in utterances]
        # The last, smaller batch is left out: it would be dearer for each recording.
        batches = [
            utterances[start : start + size] for start in range(0, len(utterances) - size + 1, size)
        ]
        run = self._runner.run
        stages: list[tuple[Callable[[Any], object], list[Any]]] = [
            (self._decode, self._data),
            (self._runner.prepare, waveforms),
            (run, alone),
            (run, batches),
            (self._score, pairs),
        ]
        seconds = [_mean(stage, items, repeats) for stage, items in progress(stages, what)]
        seconds[3] /= size
        return Costs(*seconds)

    def _score(self, pair: tuple[tuple[Clip, Reference], Encoding]) -> tuple[float, float]:
        (clip, reference), encoding = pair
        audio = self._measure.score(clip, reference, encoding.features)
        return audio, text_similarity(reference.transcript, encoding)

    def _encodings(self, utterances: list[Utterance[Any]]) -> list[Encoding]:
        return [encoding for utterance in utterances for encoding in self._runner.run([utterance])]


def _mean(stage: Callable[[Item], object], items: Iterable[Item], repeats: int) -> float:
    seconds = [median(timed(partial(stage, item), repeats)) for item in items]
    return sum(seconds) / len(seconds)
