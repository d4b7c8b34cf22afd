"""What is to be heard under a voice: how loud it is, and whether it is made of tones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from audio_score_server.audio.vad import VAD_RATE, VAD_STEP, VoiceActivityDetector
from audio_score_server.domain import BoolArray, FloatArray

_QUIET: Final = 0.3
"""Probability of speech below which a step is taken for background."""
_FEWEST_STEPS: Final = 4
_LOUD_PERCENT: Final = 95
_LEAST_POWER: Final = 1e-10
_WINDOW: Final = 1_024
"""Samples: 64 ms, in which tones a semitone apart are told apart from 300 Hz on."""
_BAND_HZ: Final = (100, 4_000)


@dataclass(frozen=True, slots=True)
class Background:
    """What is behind a voice.

    Attributes:
        below_db: decibels by which it is quieter than the voice's loud parts.
        flatness_db: its spectral flatness, 0 for white noise and falling with tonality.
    """

    below_db: float
    flatness_db: float


def background_of(samples: FloatArray) -> Background | None:
    """The background of a clip, by its pauses; None where there are none.

    Args:
        samples: float32 ``[samples]`` at ``VAD_RATE``.
    """
    detector = VoiceActivityDetector()
    speech = np.concatenate([detector.feed(samples), detector.finish()])
    steps = np.pad(samples, (0, len(speech) * VAD_STEP - len(samples))).reshape(-1, VAD_STEP)
    levels = 10 * np.log10(np.square(steps).mean(axis=1) + _LEAST_POWER)
    pauses = _pauses(speech)
    if pauses.sum() < _FEWEST_STEPS or len(samples) < _WINDOW:
        return None
    loud = float(np.percentile(levels, _LOUD_PERCENT))
    flatness = float(
        np.median([_flatness_db(samples, at) for at in np.flatnonzero(pauses).tolist()])
    )
    return Background(loud - float(np.median(levels[pauses])), flatness)


def _pauses(speech: FloatArray) -> BoolArray:
    """Steps in which nobody speaks; away from speech, where enough are."""
    quiet = speech < _QUIET
    inner = quiet.copy()
    inner[1:] &= quiet[:-1]
    inner[:-1] &= quiet[1:]
    return inner if inner.sum() >= _FEWEST_STEPS else quiet


def _flatness_db(samples: FloatArray, step: int) -> float:
    """Geometric over arithmetic mean of the power spectrum around a step."""
    start = min(max(step * VAD_STEP - VAD_STEP // 2, 0), len(samples) - _WINDOW)
    windowed = samples[start : start + _WINDOW] * np.hanning(_WINDOW)
    power = np.square(np.abs(np.fft.rfft(windowed))) + 1e-12
    first, last = (round(hz * _WINDOW / VAD_RATE) for hz in _BAND_HZ)
    band = power[first:last]
    return float(10 * (np.log10(band).mean() - np.log10(band.mean())))
