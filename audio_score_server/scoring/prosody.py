"""Whether a recording goes up and down where the clip does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from audio_score_server.domain import Contours, FloatArray, IntArray

_LEAST_S: Final = 0.3
"""Of voice in both: less has no melody."""
_FAINTEST_DB: Final = 50.0
"""Below the loudest nothing is fainter: otherwise pauses would be all there is to loudness."""
_SMOOTHING: Final = 5
"""Steps over which levels are averaged: single periods of a low voice are no loudness."""
_LEAST_SPREAD: Final = 1e-3
"""In octaves, or decibels: what moves less does not move."""


@dataclass(frozen=True, slots=True)
class Prosody:
    """Correlations from -1 to 1; None where too little is voiced, or nothing moves.

    Attributes:
        pitch_correlation: of the logarithms of the fundamental frequencies, where both have a
            voice.
        energy_correlation: of the levels in decibels, along the stretch that is compared.
    """

    pitch_correlation: float | None
    energy_correlation: float | None


def prosody(
    path: IntArray,
    frame_rates_hz: tuple[float, float],
    reference: Contours,
    recording: Contours,
) -> Prosody:
    """Correlate two recordings' contours along the way in which they are aligned.

    Args:
        path: int64 ``[steps, 2]``, frames of the reference and of the recording that belong
            together, neither ever going back; silent frames may be left out.
        frame_rates_hz: of the reference and of the recording.
        reference: of the clip.
        recording: of the recording.
    """
    if not len(path) or not len(reference.level_db) or not len(recording.level_db):
        return Prosody(None, None)
    clip, dub = _steps(path, frame_rates_hz, reference, recording)
    high, low = reference.pitch_hz[clip], recording.pitch_hz[dub]
    voiced = (high > 0) & (low > 0)
    octaves = np.log2(high[voiced]), np.log2(low[voiced])
    levels = _levels(reference)[clip], _levels(recording)[dub]
    least = _LEAST_S / reference.step_s
    return Prosody(_correlation(*octaves, least), _correlation(*levels, least))


def _steps(
    path: IntArray, frame_rates_hz: tuple[float, float], reference: Contours, recording: Contours
) -> tuple[IntArray, IntArray]:
    """Steps that belong together: all of the clip from the path's beginning to its end.

    Frames need not be as dense as steps, nor without gaps: in between the path is a straight line.
    """
    frames, places, counts = np.unique(path[:, 0], return_inverse=True, return_counts=True)
    partners = np.bincount(places, path[:, 1]) / counts
    clip_s = (frames + 0.5) / frame_rates_hz[0]
    dub_s = (partners + 0.5) / frame_rates_hz[1]
    times = (np.arange(len(reference.level_db)) + 0.5) * reference.step_s
    inside = (times >= clip_s[0]) & (times <= clip_s[-1])
    steps = np.interp(times[inside], clip_s, dub_s) / recording.step_s
    last = len(recording.level_db) - 1
    return np.flatnonzero(inside), np.minimum(steps.astype(np.int64), last)


def _levels(contours: Contours) -> FloatArray:
    level = np.maximum(contours.level_db, contours.level_db.max() - _FAINTEST_DB)
    padded = np.pad(level, _SMOOTHING // 2, mode="edge")
    return np.asarray(np.convolve(padded, np.full(_SMOOTHING, 1 / _SMOOTHING), "valid"))


def _correlation(one: FloatArray, other: FloatArray, least: float) -> float | None:
    """Pearson's; None for fewer values, or where one does not move."""
    if len(one) < least or min(one.std(), other.std()) < _LEAST_SPREAD:
        return None
    return float(np.clip(np.corrcoef(one, other)[0, 1], -1.0, 1.0))
