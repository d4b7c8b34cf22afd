from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.audio.loudness import speech_weights
from audio_score_server.domain import FloatArray

STEP = 320


def _noise(frames: int) -> FloatArray:
    noise = np.random.default_rng(0).standard_normal(frames * STEP)
    return (0.1 * noise).astype(np.float32)


def _levels(*decibels: float) -> FloatArray:
    """Twenty frames of a square wave at each level below full scale."""
    wave = np.tile(np.array([1, -1], np.float32), 10 * STEP)
    return np.concatenate([wave * np.float32(10 ** (level / 20)) for level in decibels])


@pytest.mark.parametrize("length", [0, 1, STEP - 1, STEP, STEP + 1, 10 * STEP])
def test_every_frame_has_a_weight(length: int) -> None:
    weights = speech_weights(_noise(10)[:length], STEP)
    assert weights.shape == (-(-length // STEP),)
    assert weights.dtype == np.float32


def test_silence_weighs_nothing() -> None:
    assert not speech_weights(np.zeros(50 * STEP, np.float32), STEP).any()


def test_the_noise_of_quantised_silence_weighs_nothing() -> None:
    dither = np.random.default_rng(0).integers(-1, 2, 50 * STEP).astype(np.float32)
    assert not speech_weights(dither / np.float32(2**15), STEP).any()


def test_weights_fall_with_the_decibels_below_the_loudest() -> None:
    weights = speech_weights(_levels(-10, -20, -30, -38, -44, -49, -52, -65), STEP)
    levels = weights.reshape(-1, 20)
    assert (levels == levels[:, :1]).all()
    expected = [1.0, 1.0, 1.0, 12 / 15, 6 / 15, 1 / 15, 0.0, 0.0]
    np.testing.assert_allclose(levels[:, 0], expected, atol=1e-3)


@pytest.mark.parametrize("gain", [0.05, 0.1, 1.0, 5.0])
def test_loudness_alone_does_not_matter(gain: float) -> None:
    samples = _levels(-10, -40, -55)
    np.testing.assert_allclose(
        speech_weights(np.float32(gain) * samples, STEP), speech_weights(samples, STEP), atol=1e-3
    )


def test_however_loud_beside_it_what_is_nearly_silent_weighs_nothing() -> None:
    assert speech_weights(_levels(-60, -69), STEP).all()
    assert not speech_weights(_levels(-71, -75), STEP).any()


def test_a_click_is_not_the_voice() -> None:
    samples = _levels(-40, -40, -40)
    samples[STEP : STEP + 100] = 1.0
    assert (speech_weights(samples, STEP) == 1).all()


@given(st.integers(1, 40), st.integers(1, 700), st.floats(0, 4, width=32))
def test_weights_are_shares(frames: int, step: int, gain: float) -> None:
    weights = speech_weights(np.float32(gain) * _noise(frames), step)
    assert np.isfinite(weights).all()
    assert ((weights >= 0) & (weights <= 1)).all()
