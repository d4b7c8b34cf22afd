from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_score_server.domain import Contours, IntArray
from audio_score_server.scoring.prosody import Prosody, prosody

STEPS = 200
RATES = (50.0, 50.0)
_TIMES = np.linspace(0, 1, STEPS)
TUNE = 150 * 2 ** (0.5 * np.sin(7 * _TIMES))
LOUDNESS = -30 + 10 * np.sin(11 * _TIMES)


def _contours(pitch: NDArray[np.float64], level: NDArray[np.float64]) -> Contours:
    nothing = np.zeros(len(level), np.float32)
    return Contours(0.01, pitch.astype(np.float32), level.astype(np.float32), nothing, nothing)


def _straight(frames: int = STEPS // 2) -> IntArray:
    return np.stack([np.arange(frames)] * 2, axis=1)


CLIP = _contours(TUNE, LOUDNESS)


@given(st.floats(0.4, 2.5), st.floats(-40, 10))
def test_neither_the_voice_nor_the_gain_changes_a_melody(voice: float, gain: float) -> None:
    result = prosody(_straight(), RATES, CLIP, _contours(voice * TUNE, LOUDNESS + gain))
    assert result.pitch_correlation == pytest.approx(1.0, abs=1e-3)
    assert result.energy_correlation == pytest.approx(1.0, abs=1e-3)


def test_the_contrary_melody_is_minus_one() -> None:
    result = prosody(_straight(), RATES, CLIP, _contours(150**2 / TUNE, -60 - LOUDNESS))
    assert result.pitch_correlation == pytest.approx(-1.0, abs=1e-3)
    assert result.energy_correlation == pytest.approx(-1.0, abs=1e-3)


def test_the_path_takes_out_the_tempo() -> None:
    slow = _contours(np.repeat(TUNE, 2), np.repeat(LOUDNESS, 2))
    frames = np.arange(STEPS)
    result = prosody(np.stack([frames // 2, frames], axis=1), RATES, CLIP, slow)
    assert result.pitch_correlation is not None
    assert result.pitch_correlation > 0.99
    assert result.energy_correlation is not None
    assert result.energy_correlation > 0.99
    plain = prosody(_straight(), RATES, CLIP, slow)
    assert plain.pitch_correlation is not None
    assert plain.pitch_correlation < 0.9


def test_a_path_with_gaps_is_drawn_straight_between_them() -> None:
    sparse = _straight()[[0, 40, 99]]
    result = prosody(sparse, RATES, CLIP, CLIP)
    assert result.pitch_correlation == pytest.approx(1.0, abs=1e-3)


def test_frame_rates_may_differ() -> None:
    frames = np.arange(STEPS // 4)
    path = np.stack([frames, 2 * frames], axis=1)
    result = prosody(path, (25.0, 50.0), CLIP, CLIP)
    assert result.pitch_correlation is not None
    assert result.pitch_correlation > 0.99


@pytest.mark.parametrize(("voiced", "known"), [(0, False), (20, False), (40, True)])
def test_a_melody_needs_three_tenths_of_a_second(voiced: int, known: bool) -> None:
    pitch = np.where(np.arange(STEPS) < 50, TUNE, 0)
    pitch[: 50 - voiced] = 0
    result = prosody(_straight(), RATES, CLIP, _contours(pitch, LOUDNESS))
    assert (result.pitch_correlation is not None) == known
    assert result.energy_correlation == pytest.approx(1.0, abs=1e-3)


def test_what_does_not_move_has_no_melody() -> None:
    flat = _contours(np.full(STEPS, 150.0), np.full(STEPS, -30.0))
    assert prosody(_straight(), RATES, CLIP, flat) == Prosody(None, None)


def test_no_path_no_melody() -> None:
    assert prosody(np.zeros((0, 2), np.int64), RATES, CLIP, CLIP) == Prosody(None, None)


@given(st.integers(0, 1_000), st.integers(1, 60))
def test_correlations_are_correlations(seed: int, frames: int) -> None:
    random = np.random.default_rng(seed)
    pitch = random.choice([0, 100, 200.0, 400], STEPS)
    other = _contours(pitch, random.normal(-30, 20, STEPS))
    path = np.sort(random.integers(0, STEPS, (frames, 2)), axis=0)
    result = prosody(path, RATES, CLIP, other)
    for value in (result.pitch_correlation, result.energy_correlation):
        assert value is None or -1 <= value <= 1
