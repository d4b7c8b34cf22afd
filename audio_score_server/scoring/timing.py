"""Whether a dub fits the picture: when it begins, ends, pauses, and how fast it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from audio_score_server.domain import BoolArray, Contours, FloatArray
from audio_score_server.scoring.time_spans import TimeSpan, hull
from audio_score_server.scoring.words import WordDetail

_SILENT_DB: Final = -70.0
"""Below full scale: nobody speaks, however quiet the rest."""
_FAINT_DB: Final = -35.0
"""Below the loudest: a pause. Weak fricatives are about 30 dB below vowels."""
_OVER_NOISE_DB: Final = 6.0
"""What is no louder than that above the quietest is noise."""
_LOUD_DB: Final = -12.0
"""Below the loudest: voice, however noisy the rest."""
_LOUDEST, _QUIETEST = 0.95, 0.05
_SHORTEST_PAUSE_S: Final = 0.2
"""Closures of stops are shorter."""
_LEAST_WORDS: Final = 2
_SHORTEST_SOUND_S: Final = 0.05
"""A shorter sound in a pause is a click or a breath."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Silences of 0.2 s and more inside what is spoken."""

    reference: tuple[TimeSpan, ...]
    recording: tuple[TimeSpan, ...]


@dataclass(frozen=True, slots=True)
class OnsetDeviation:
    """How far the starts of words are from the clip's, counted from the first word of both.

    Attributes:
        median_s: of the absolute differences.
        max_s: of them.
    """

    median_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class SpeechRate:
    """How many phones or words a second are spoken, pauses included."""

    unit: Literal["phone", "word"]
    reference: float
    recording: float


@dataclass(frozen=True, slots=True)
class Timing:
    """How a recording lies in time over against the clip.

    Attributes:
        reference: from the first sound of the clip to the last.
        recording: the same of the recording.
        start_offset_s: how much later than the clip the recording begins to speak.
        end_offset_s: how much later it ends.
        duration_ratio: time it takes for speaking, over the clip's.
        pauses: of both.
        onset_deviation: None where fewer than two words are known to be in both.
        speech_rate: of both.
    """

    reference: TimeSpan
    recording: TimeSpan
    start_offset_s: float
    end_offset_s: float
    duration_ratio: float
    pauses: Pauses
    onset_deviation: OnsetDeviation | None
    speech_rate: SpeechRate


def timing(
    reference: Contours,
    recording: Contours,
    words: Sequence[WordDetail],
    unit: Literal["phone", "word"],
    units: tuple[int, int],
) -> Timing | None:
    """Compare the times of a clip and of a recording.

    What is spoken is from the first known word to the last, else from the first sound that is loud
    enough to be a voice to the last.

    Args:
        reference: of the clip.
        recording: of the recording.
        words: what became of the text's words.
        unit: what is counted.
        units: how many were heard in the clip and in the recording.

    Returns:
        None where nobody speaks in one of the two.
    """
    spans = (
        _spoken(reference, [word.reference for word in words]),
        _spoken(recording, [word.recording for word in words]),
    )
    clip, dub = spans
    if clip is None or dub is None:
        return None
    return Timing(
        clip,
        dub,
        dub.start - clip.start,
        dub.end - clip.end,
        dub.seconds / clip.seconds,
        Pauses(_pauses(reference, clip), _pauses(recording, dub)),
        _onset_deviation(words),
        SpeechRate(unit, units[0] / clip.seconds, units[1] / dub.seconds),
    )


def _spoken(contours: Contours, words: Sequence[TimeSpan | None]) -> TimeSpan | None:
    """From the first sound to the last."""
    known = hull(words)
    if known is not None:
        return known
    sounds = _runs(sounding(contours))
    if not sounds:
        return None
    return TimeSpan(sounds[0][0] * contours.step_s, sounds[-1][1] * contours.step_s)


def sounding(contours: Contours) -> BoolArray:
    """Which steps are loud enough to be a voice, ``[steps]``; clicks left out."""
    level = contours.level_db
    if not len(level):
        return np.zeros(0, np.bool_)
    loud = level > _threshold_db(level)
    for start, stop in _runs(loud):
        if (stop - start) * contours.step_s < _SHORTEST_SOUND_S:
            loud[start:stop] = False
    return loud


def _threshold_db(level: FloatArray) -> float:
    """Between voice and pause: above the noise, if there is any, but below any loud sound."""
    loudest, quietest = np.quantile(level, [_LOUDEST, _QUIETEST])
    above_noise = max(loudest + _FAINT_DB, quietest + _OVER_NOISE_DB)
    return float(max(_SILENT_DB, min(above_noise, loudest + _LOUD_DB)))


def _runs(flags: BoolArray) -> list[tuple[int, int]]:
    """First of each run of true values, and the place after its last."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _pauses(contours: Contours, spoken: TimeSpan) -> tuple[TimeSpan, ...]:
    step = contours.step_s
    inside = slice(round(spoken.start / step), round(spoken.end / step))
    silent = [
        TimeSpan((inside.start + start) * step, (inside.start + stop) * step)
        for start, stop in _runs(~sounding(contours)[inside])
    ]
    return tuple(span for span in silent if span.seconds >= _SHORTEST_PAUSE_S - step / 2)


def _onset_deviation(words: Sequence[WordDetail]) -> OnsetDeviation | None:
    lags = np.array(
        [
            word.recording.start - word.reference.start
            for word in words
            if word.recording is not None and word.reference is not None
        ]
    )
    if len(lags) < _LEAST_WORDS:
        return None
    wandering = np.abs(lags[1:] - lags[0])
    return OnsetDeviation(float(np.median(wandering)), float(wandering.max()))
