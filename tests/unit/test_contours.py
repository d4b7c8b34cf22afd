from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.audio.contours import STEP_S, contours
from audio_score_server.domain import FloatArray, Waveform

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


def _tone(hertz: float, rate: int, seconds: float = 0.6) -> FloatArray:
    times = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def _voice(hertz: float, rate: int, seconds: float = 0.6) -> FloatArray:
    """All harmonics up to 4 kHz, equally strong, as in a train of pulses."""
    times = np.arange(round(seconds * rate)) / rate
    highest = int(min(4_000, 0.45 * rate) / hertz)
    wave = sum(np.cos(2 * np.pi * place * hertz * times) for place in range(1, highest + 1))
    return np.asarray(0.3 * wave / np.abs(wave).max(), np.float32)


def _clicks(hertz: float, rate: int, seconds: float = 0.6) -> FloatArray:
    """One sample for each period."""
    wave = np.zeros(round(seconds * rate), np.float32)
    wave[(np.arange(0, seconds - 1 / hertz, 1 / hertz) * rate).astype(int)] = 0.5
    return wave


def _noise(seconds: float, rate: int = 16_000) -> FloatArray:
    noise = np.random.default_rng(0).standard_normal(round(seconds * rate))
    return (0.1 * noise).astype(np.float32)


def _pitch(samples: FloatArray, rate: int = 16_000) -> FloatArray:
    return contours(Waveform(samples, rate)).pitch_hz


@settings(max_examples=60, deadline=None)
@given(st.floats(62, 590), st.sampled_from(RATES), st.sampled_from([_tone, _voice]))
def test_a_steady_pitch_is_found_within_two_percent(hertz: float, rate: int, wave: object) -> None:
    assert callable(wave)
    inner = _pitch(wave(hertz, rate), rate)[5:-5]
    np.testing.assert_allclose(inner, hertz, rtol=0.02)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [66.0, 110.0, 124.0, 234.0, 372.0, 500.0])
def test_bare_clicks_have_the_pitch_of_their_period(hertz: float, rate: int) -> None:
    np.testing.assert_allclose(_pitch(_clicks(hertz, rate), rate)[5:-5], hertz, rtol=0.02)


def test_a_glide_is_followed() -> None:
    rate, seconds = 16_000, 1.0
    hertz = np.geomspace(100, 300, round(seconds * rate))
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    wave = sum(np.cos(place * phase) / place for place in range(1, 8))
    pitch = _pitch(np.asarray(0.1 * wave, np.float32))
    middles = ((np.arange(len(pitch)) + 0.5) * STEP_S * rate).astype(int)
    np.testing.assert_allclose(pitch[5:-5], hertz[middles][5:-5], rtol=0.02)


@settings(max_examples=20, deadline=None)
@given(st.floats(-40, 10))
def test_the_gain_changes_no_pitch(decibels: float) -> None:
    voice = np.concatenate([_voice(140, 16_000), _noise(0.2) * np.float32(0.1), _tone(300, 16_000)])
    louder = np.float32(10 ** (decibels / 20)) * voice
    np.testing.assert_allclose(_pitch(louder), _pitch(voice), rtol=1e-3, atol=0.1)


@pytest.mark.parametrize("samples", [np.zeros(8_000), np.full(8_000, 0.2)])
def test_what_does_not_move_has_no_pitch(samples: FloatArray) -> None:
    assert not _pitch(samples.astype(np.float32)).any()


def test_what_is_nearly_silent_has_no_pitch() -> None:
    assert not _pitch(np.float32(1e-3) * _voice(150, 16_000)).any()


@pytest.mark.parametrize("rate", RATES)
def test_noise_has_hardly_any_pitch(rate: int) -> None:
    assert (_pitch(_noise(3, rate), rate) > 0).mean() < 0.05


def test_voice_in_noise_keeps_its_pitch() -> None:
    voice = _voice(150, 16_000, 2.0)
    noisy = voice + _noise(2.0) * np.float32(10 ** (-10 / 20) * voice.std() / 0.1)
    inner = _pitch(noisy)[5:-5]
    assert (inner > 0).mean() > 0.9
    np.testing.assert_allclose(inner[inner > 0], 150, rtol=0.03)


def test_pauses_and_hum_far_below_the_voice_have_no_pitch() -> None:
    quiet = np.float32(0.003) * _tone(100, 16_000, 1.0)
    pitch = _pitch(np.concatenate([_voice(200, 16_000, 1.0), quiet]))
    assert pitch[5:95].all()
    assert not pitch[105:].any()


def test_two_tenths_of_a_second_suffice() -> None:
    pitch = _pitch(_voice(200, 16_000, 0.2))
    assert len(pitch) == 20
    np.testing.assert_allclose(pitch[4:-4], 200, rtol=0.02)


@pytest.mark.parametrize("rate", [4_000, 11_025, 16_000, 192_000])
@pytest.mark.parametrize("length", [0, 1, 2, 159, 161, 2_000])
def test_all_contours_have_a_value_for_each_step(length: int, rate: int) -> None:
    result = contours(Waveform(_noise(1)[:length], rate))
    steps = int(np.ceil(length / (rate * STEP_S)))
    for contour in (result.pitch_hz, result.level_db, result.lows, result.highs):
        assert contour.shape == (steps,)
        assert contour.dtype == np.float32
        assert np.isfinite(contour).all()


def test_levels_and_outlines_are_those_of_the_steps() -> None:
    wave = np.concatenate([_tone(200, 16_000, 0.1), np.zeros(1_600, np.float32)])
    result = contours(Waveform(wave, 16_000))
    np.testing.assert_allclose(result.level_db[:10], 20 * np.log10(0.3 / np.sqrt(2)), atol=0.01)
    np.testing.assert_allclose(result.level_db[10:], -120)
    np.testing.assert_allclose(result.highs[:10], 0.3, rtol=1e-3)
    np.testing.assert_allclose(result.lows[:10], -0.3, rtol=1e-3)
    assert not result.highs[10:].any()
