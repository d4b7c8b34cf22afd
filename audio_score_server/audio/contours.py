"""Melody, loudness and outline of a recording.

Pitch candidates are peaks of the normalised cross-correlation of the sound with itself (Talkin, "A
robust algorithm for pitch tracking (RAPT)", 1995); the path through them is the likeliest one by
the costs of Boersma ("Accurate short-term analysis of the fundamental frequency", 1993, which
Praat's defaults follow): voice begins and ends seldom, and does not jump by octaves.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_score_server.compiled import compiled
from audio_score_server.domain import Contours, FloatArray, IntArray, Waveform

_Doubles = NDArray[np.float64]
STEP_S: Final = 0.01
_LOWEST_HZ: Final = 60.0
"""Low men's voices; creak goes further down, but is no melody."""
_HIGHEST_HZ: Final = 600.0
"""Children reach 500."""
_WORKING_RATE: Final = 8_000
"""The sound is thinned to between one and two times this rate: the harmonics that tell a period
are below 2 kHz."""
_SMOOTHINGS: Final = 6
"""Each by 1, 2, 1: half the power is left at 700 Hz, nothing at 4 kHz."""
_WINDOW_S: Final = 0.025
"""Of sound that is compared with what follows it: long enough that noise rarely looks periodic."""
_CANDIDATES: Final = 12
"""At least as many as periods of the highest pitch in one of the lowest."""
_LEAST_CORRELATION: Final = 0.3
"""What repeats itself less is no candidate."""
_VOICED: Final = 0.45
"""Strength of the unvoiced candidate. Noise, thinned as here, rarely correlates so much."""
_OCTAVE_COST: Final = 0.05
"""For each octave down: two periods repeat as well as one, and the shorter is the pitch."""
_JUMP_COST: Final = 0.35
"""For each octave from one step to the next."""
_TURN_COST: Final = 0.14
"""For each beginning and end of voice."""
_SILENT_DB: Final = -70.0
"""Below full scale: no voice, as in ``loudness``."""
_QUIET_DB: Final = -35.0
"""Below the loudest: sound this much weaker counts as half as periodic as it is."""
_LOUDEST: Final = 0.95
"""Share of steps that are no louder than the loudest."""
_CLICK_DB: Final = 20.0
"""So much louder than the rest is a click."""
_LEAST_POWER: Final = 1e-12


def contours(waveform: Waveform) -> Contours:
    """Pitch, level and outline of a recording, 10 ms apart.

    Pitch is between 60 and 600 Hz and does not depend on the gain.
    """
    samples = np.ascontiguousarray(waveform.samples, np.float32)
    if not len(samples):
        nothing = np.zeros(0, np.float32)
        return Contours(STEP_S, nothing, nothing, nothing, nothing)
    # Steps need not be whole samples long.
    step = waveform.sampling_rate * STEP_S
    edges = np.arange(0, len(samples), step).astype(np.int64)
    power = np.add.reduceat(np.square(samples), edges) / np.diff(edges, append=len(samples))
    level = 10 * np.log10(np.maximum(power, _LEAST_POWER))
    return Contours(
        STEP_S,
        _pitch(samples, waveform.sampling_rate, level),
        level.astype(np.float32),
        np.minimum.reduceat(samples, edges),
        np.maximum.reduceat(samples, edges),
    )


def _pitch(samples: FloatArray, rate: int, level: FloatArray) -> FloatArray:
    """Fundamental frequency at the middle of each step, 0 where there is no voice."""
    peak = float(level.max())
    if peak < _SILENT_DB:
        return np.zeros(len(level), np.float32)
    # A click is not the voice; nor is silence, where the voice is short.
    loudest = max(float(np.quantile(level, _LOUDEST)), peak - _CLICK_DB)
    factor = max(1, rate // _WORKING_RATE)
    working_rate = rate / factor
    # At a fixed loudness, so that the gain changes nothing; direct current is no sound.
    gain = np.float32(10 ** (-loudest / 20))
    thinned = gain * _thinned(samples - samples.mean(), factor)
    window = round(_WINDOW_S * working_rate)
    longest = int(working_rate / _LOWEST_HZ) + 3
    # The window and what it is compared with lie about the middle, for a lag of middling length.
    before = (window + longest // 2) // 2
    middles = (np.arange(len(level)) + 0.5) * STEP_S * working_rate
    padded = np.pad(thinned, (before, 2 * (window + longest)))
    softening = window * 10 ** (_QUIET_DB / 10)
    lags, heights = _candidates(padded, middles.astype(np.int64), window, longest, softening)
    return _tracked(working_rate / np.maximum(lags, 1), heights)


def _tracked(pitches: _Doubles, heights: _Doubles) -> FloatArray:
    """One pitch of the candidates ``[steps, candidates]`` for each step, 0 for no voice."""
    within = (pitches >= _LOWEST_HZ) & (pitches <= _HIGHEST_HZ)
    octaves = np.log2(pitches)
    costs = _OCTAVE_COST * (np.log2(_HIGHEST_HZ) - octaves)
    choice = _likeliest_path(octaves, np.where(within, heights - costs, -np.inf))
    chosen = np.take_along_axis(pitches, np.maximum(choice, 0)[:, None], axis=1)[:, 0]
    return np.where(choice < 0, 0.0, chosen).astype(np.float32)


def _thinned(samples: FloatArray, factor: int) -> FloatArray:
    """Weighted means of every so many samples and as many after them, then smoothed.

    Triangular weights are zero twice where sound would fold onto the lowest frequencies (Hogenauer,
    1981), and keep the time of a pulse between two means; smoothing broadens the peaks of the
    correlation until a parabola fits them.
    """
    thinned = samples
    if factor > 1:
        blocks = np.pad(samples, (0, -len(samples) % factor + factor)).reshape(-1, factor)
        rising = (np.arange(factor, dtype=np.float32) + 0.5) / factor**2
        thinned = np.asarray(blocks[:-1] @ rising + blocks[1:] @ rising[::-1], np.float32)
    for _ in range(_SMOOTHINGS):
        padded = np.pad(thinned, 1)
        thinned = np.asarray((padded[:-2] + 2 * thinned + padded[2:]) / 4, np.float32)
    return thinned


@compiled("void(float32[::1], int64, float64, float64[::1])")
def _correlate(piece: FloatArray, window: int, softening: float, curve: _Doubles) -> None:
    """Fill in the correlation of the first ``window`` samples with those after each lag."""
    longest = len(curve)
    sums = np.zeros(longest, np.float32)
    for index in range(window):
        value = piece[index]
        # Over lags, not samples: sums that need no fixed order run in the vector unit.
        for lag in range(longest):
            sums[lag] += value * piece[index + lag]
    energy = first = float(sums[0])
    for lag in range(longest):
        curve[lag] = sums[lag] / np.sqrt((first + softening) * (energy + softening))
        gone, come = float(piece[lag]), float(piece[lag + window])
        energy = max(0.0, energy + come * come - gone * gone)


@compiled(
    "Tuple((float64[:, ::1], float64[:, ::1]))(float32[::1], int64[::1], int64, int64, float64)"
)
def _candidates(
    samples: FloatArray, starts: IntArray, window: int, longest: int, softening: float
) -> tuple[_Doubles, _Doubles]:
    """Lags and heights ``[frames, candidates]`` of the highest peaks; lag 0 where there are fewer.

    Args:
        samples: with as many more at both ends as windows reach over.
        starts: where the windows begin.
        window: samples in a window.
        longest: lag.
        softening: energy that is added to that of every window.
    """
    lags = np.zeros((len(starts), _CANDIDATES))
    heights = np.zeros((len(starts), _CANDIDATES))
    curve = np.empty(longest)
    for frame in range(len(starts)):
        piece = samples[starts[frame] : starts[frame] + window + longest].copy()
        piece -= np.mean(piece)
        _correlate(piece, window, softening, curve)
        for lag in range(2, longest - 1):
            left, peak, right = curve[lag - 1], curve[lag], curve[lag + 1]
            if peak < _LEAST_CORRELATION or peak < left or peak <= right:
                continue
            # The top of the parabola through the three.
            shift = 0.5 * (left - right) / (left - 2 * peak + right)
            height = min(1.0, peak - 0.25 * (left - right) * shift)
            weakest = np.argmin(heights[frame])
            if height > heights[frame, weakest]:
                heights[frame, weakest], lags[frame, weakest] = height, lag + shift
    return lags, heights


@compiled("int64[::1](float64[:, ::1], float64[:, ::1])")
def _likeliest_path(octaves: _Doubles, strengths: _Doubles) -> IntArray:
    """The candidate of each frame, -1 for no voice, that are strongest less the costs of change."""
    frames, count = octaves.shape
    origins = np.empty((frames, count + 1), np.int64)
    best = np.zeros(count + 1)
    totals = np.zeros(count + 1)
    for frame in range(frames):
        for state in range(count + 1):
            voiced = state < count
            origin, most = state, -np.inf
            for before in range(count + 1):
                cost = 0.0
                if voiced and before < count and frame > 0:
                    cost = _JUMP_COST * abs(octaves[frame, state] - octaves[frame - 1, before])
                elif voiced != (before < count) and frame > 0:
                    cost = _TURN_COST
                if best[before] - cost > most:
                    origin, most = before, best[before] - cost
            origins[frame, state] = origin
            totals[state] = most + (strengths[frame, state] if voiced else _VOICED)
        best[:] = totals
    choice = np.empty(frames, np.int64)
    state = int(np.argmax(best))
    for frame in range(frames - 1, -1, -1):
        choice[frame] = state if state < count else -1
        state = origins[frame, state]
    return choice
