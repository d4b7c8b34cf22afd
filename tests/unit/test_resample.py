from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audio_score_server.audio.resample import _resampler, resample
from audio_score_server.domain import FloatArray, Waveform
from tests.support import chirp


def _tone(hertz: float, rate: int, seconds: float = 1.0) -> FloatArray:
    times = np.arange(round(rate * seconds)) / rate
    return np.sin(2 * np.pi * hertz * times).astype(np.float32)


def _loudest_hertz(waveform: Waveform) -> float:
    spectrum = np.abs(np.fft.rfft(waveform.samples * np.hanning(len(waveform.samples))))
    return float(spectrum.argmax() * waveform.sampling_rate / len(waveform.samples))


def test_equal_rates_give_the_waveform_itself() -> None:
    waveform = Waveform(chirp(), 16_000)
    assert resample(waveform, 16_000) is waveform


@pytest.mark.parametrize("source", [4_000, 8_000, 11_025, 22_050, 44_100, 48_001, 96_000])
@pytest.mark.parametrize("target", [8_000, 16_000, 48_000])
def test_a_tone_keeps_its_pitch_loudness_and_length(source: int, target: int) -> None:
    resampled = resample(Waveform(_tone(700.0, source), source), target)
    assert resampled.sampling_rate == target
    assert resampled.samples.dtype == np.float32
    assert resampled.seconds == pytest.approx(1.0, abs=2e-3)
    assert _loudest_hertz(resampled) == pytest.approx(700.0, abs=1.5)
    assert np.abs(resampled.samples[500:-500]).max() == pytest.approx(1.0, abs=0.05)


def test_tones_above_the_new_range_vanish_instead_of_folding() -> None:
    resampled = resample(Waveform(_tone(11_000.0, 48_000), 48_000), 16_000)
    assert np.abs(resampled.samples[200:-200]).max() < 0.02


@settings(max_examples=25)
@given(st.integers(4_000, 384_000), st.integers(8_000, 48_000))
@example(48_001, 16_000)
@example(383_999, 8_000)
@example(4_001, 47_999)
def test_any_rates_give_a_small_filter_and_the_right_length(source: int, target: int) -> None:
    samples = np.zeros(source // 4, np.float32)
    resampled = resample(Waveform(samples, source), target)
    expected = len(samples) / source
    assert resampled.seconds == pytest.approx(expected, rel=2e-3, abs=2e-3)
    # Two million coefficients are eight megabytes; thirty-two filters are kept.
    assert sum(kept.numel() for kept in _resampler(source, target).buffers()) <= 2_500_000


def test_less_than_a_filter_of_sound_is_resampled_too() -> None:
    resampled = resample(Waveform(np.ones(3, np.float32), 48_000), 16_000)
    assert len(resampled.samples) == 1
