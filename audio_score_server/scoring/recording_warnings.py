"""Warnings about a recording's scores, each with a threshold and its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from audio_score_server.domain import Contours, EncoderFeatures, FloatArray, Score

RecordingWarning = Literal[
    "silent", "no_speech", "too_short", "clipped", "noisy", "content_mismatch", "replay"
]
SILENT_DB: Final = -60.0
"""Below full scale: a quiet voice far from the microphone is at -50."""
LEAST_SPEECH_S: Final = 0.15
"""Less than the shortest word takes."""
_LEAST_DURATION: Final = 0.4
"""Of the clip's speech: the fastest talkers are about twice as fast as others, not more."""
_FULL_SCALE: Final = 0.985
MOST_CLIPPED: Final = 0.08
"""Of the sounding steps: what is merely loud touches full scale once or twice, a limiter's or a
broken microphone's output again and again."""
_NOISE_DB: Final = 9.0
"""Voice over noise: with less, recognition falls apart. Speech without noise dips 25 and more."""
_LOUDEST, _QUIETEST = 0.95, 0.05
_WRONG: Final = 0.2
"""Of both scores: on the demo and on learners' recordings wrong lines stay below in nine of ten
cases, and no right reading is below in both."""
_LEAST_OVERLAP: Final = 0.8
"""Of the clip's sounding steps that a playback of it contains."""
_SAME_LEVEL: Final = 0.9
_SAME_PITCH_SHARE: Final = 0.8
_SAME_PITCH_OCTAVES: Final = 0.02
"""A quarter of a semitone. A voice that repeats itself is off by more in most places; the same
sound again, through any codec or loudspeaker, is not."""
_DYNAMICS_DB: Final = 40.0
_LEAST_VOICED_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class WarningInputs:
    """What warnings are found from.

    Attributes:
        score: of the recording.
        reference: contours of the clip.
        recording: contours of the recording.
        features: what the model heard in the recording.
        clip_features: what it heard in the clip.
    """

    score: Score
    reference: Contours
    recording: Contours
    features: EncoderFeatures
    clip_features: EncoderFeatures


def recording_warnings(inputs: WarningInputs) -> tuple[RecordingWarning, ...]:
    """All that apply, the gravest first; none for an ordinary recording. They change no number."""
    if loudest_db(inputs.recording) < SILENT_DB:
        return ("silent",)
    if speech_s(inputs.features) < LEAST_SPEECH_S:
        return ("no_speech",)
    return tuple(_doubts(inputs))


def _doubts(inputs: WarningInputs) -> Iterator[RecordingWarning]:
    if _is_playback(inputs.reference, inputs.recording):
        yield "replay"
    elif max(inputs.score.audio, inputs.score.text) < _WRONG:
        yield "content_mismatch"
    clip_s = speech_s(inputs.clip_features)
    if speech_s(inputs.features) < _LEAST_DURATION * clip_s:
        yield "too_short"
    if clipped_share(inputs.recording) > MOST_CLIPPED:
        yield "clipped"
    if _range_db(inputs.recording) < _NOISE_DB:
        yield "noisy"


def loudest_db(contours: Contours) -> float:
    """Level of the loudest step; minus infinity without any."""
    return float(contours.level_db.max()) if len(contours.level_db) else -np.inf


def speech_s(features: EncoderFeatures) -> float:
    """Seconds of speech."""
    return float(features.speech.sum()) / features.frame_rate_hz


def clipped_share(contours: Contours) -> float:
    """Of the steps in the upper half of the dynamics, those that touch full scale."""
    loud = contours.level_db > loudest_db(contours) - _DYNAMICS_DB / 2
    full = np.maximum(np.abs(contours.lows), np.abs(contours.highs)) >= _FULL_SCALE
    return float((loud & full).sum()) / max(1, int(loud.sum()))


def _range_db(contours: Contours) -> float:
    """Between loud and quiet: voice and noise, where there is noise; digital silence left out."""
    level = contours.level_db[contours.level_db > SILENT_DB - _DYNAMICS_DB]
    quiet, loud = np.quantile(level, [_QUIETEST, _LOUDEST])
    return float(loud - quiet)


def _is_playback(reference: Contours, recording: Contours) -> bool:
    """Whether the clip's own sound is in the recording, at its own speed."""
    if min(len(reference.level_db), len(recording.level_db)) < 1 / reference.step_s:
        return False
    clip, dub = _dynamics(reference), _dynamics(recording)
    lag = _lag(clip, dub)
    first, stop = max(0, -lag), min(len(clip), len(dub) - lag)
    inside = slice(first, stop)
    if clip[inside].sum() < _LEAST_OVERLAP * clip.sum():
        return False
    there = slice(first + lag, stop + lag)
    if np.corrcoef(clip[inside], dub[there])[0, 1] < _SAME_LEVEL:
        return False
    return _same_melody(reference.pitch_hz[inside], recording.pitch_hz[there], reference.step_s)


def _dynamics(contours: Contours) -> FloatArray:
    """Decibels above what is too quiet to tell anything, ``[steps]``."""
    return np.asarray(np.maximum(0, contours.level_db - loudest_db(contours) + _DYNAMICS_DB))


def _lag(clip: FloatArray, dub: FloatArray) -> int:
    """By how many steps the recording is later, where the two fit best."""
    size = 1 << (len(clip) + len(dub) - 1).bit_length()
    spectrum = np.fft.rfft(dub - dub.mean(), size) * np.fft.rfft(clip - clip.mean(), size).conj()
    fits = np.fft.irfft(spectrum, size)
    best = int(fits.argmax())
    return best if best < len(dub) else best - size


def _same_melody(clip: FloatArray, dub: FloatArray, step_s: float) -> bool:
    voiced = clip > 0
    if voiced.sum() * step_s < _LEAST_VOICED_S:
        return False
    octaves = np.abs(np.log2(np.where(dub > 0, dub, 1.0)[voiced] / clip[voiced]))
    return float((octaves < _SAME_PITCH_OCTAVES).mean()) >= _SAME_PITCH_SHARE
