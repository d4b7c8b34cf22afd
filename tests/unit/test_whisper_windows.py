from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.domain import FloatArray
from audio_score_server.runners.whisper.windows import cut, fitting, window_lengths
from tests.checkpoints import RATE


def _noise(seconds: float, seed: int = 0) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (0.1 * noise).astype(np.float32)


@settings(max_examples=60)
@given(
    st.integers(0, 6 * RATE),
    st.floats(1, 3),
    st.sampled_from([320, 640]),
    st.sampled_from([0.0, 1.0]),
)
def test_the_parts_are_the_recording_in_order(
    length: int, longest_s: float, step: int, gain: float
) -> None:
    chunks = cut(np.float32(gain) * _noise(6)[:length], RATE, longest_s, step)
    assert chunks[0].start == 0
    assert chunks[-1].stop == length
    assert [chunk.stop for chunk in chunks[:-1]] == [chunk.start for chunk in chunks[1:]]
    assert all(chunk.stop - chunk.start <= longest_s * RATE for chunk in chunks)
    assert all(chunk.start % step == 0 for chunk in chunks)
    assert all(chunk.stop > chunk.start for chunk in chunks[1:])


@pytest.mark.parametrize("length", [0, 1, 320, 2 * RATE - 1, 2 * RATE])
def test_what_fits_stays_whole(length: int) -> None:
    assert cut(_noise(2)[:length], RATE, 2.0, 320) == [slice(0, length)]


def test_a_sample_too_many_makes_two_parts() -> None:
    assert len(cut(_noise(3)[: 2 * RATE + 1], RATE, 2.0, 320)) == 2


@pytest.mark.parametrize("gap_s", [1.3, 1.5, 1.7, 1.9])
@pytest.mark.parametrize("step", [320, 640])
def test_the_cut_is_in_the_pause(gap_s: float, step: int) -> None:
    samples = _noise(3)
    samples[int((gap_s - 0.15) * RATE) : int((gap_s + 0.15) * RATE)] *= 0.01
    first, _second = cut(samples, RATE, 2.0, step)
    assert first.stop / RATE == pytest.approx(gap_s, abs=0.07)


def test_a_pause_is_longer_than_a_zero_crossing() -> None:
    samples = _noise(3)
    samples[int(1.4 * RATE) : int(1.41 * RATE)] = 0
    samples[int(1.65 * RATE) : int(1.85 * RATE)] *= 0.3
    assert cut(samples, RATE, 2.0, 320)[0].stop / RATE == pytest.approx(1.75, abs=0.05)


def test_a_pause_early_in_a_window_does_not_shorten_it() -> None:
    samples = _noise(3)
    samples[int(0.5 * RATE) : int(0.9 * RATE)] = 0
    assert cut(samples, RATE, 2.0, 320)[0].stop >= 1.2 * RATE


def test_every_window_has_its_own_pause() -> None:
    samples = _noise(6)
    for pause_s in (1.8, 3.3, 4.9):
        samples[int((pause_s - 0.1) * RATE) : int((pause_s + 0.1) * RATE)] = 0
    stops = [chunk.stop / RATE for chunk in cut(samples, RATE, 2.0, 320)]
    assert stops == pytest.approx([1.8, 3.3, 4.9, 6.0], abs=0.05)


def test_silence_is_cut_as_seldom_as_may_be() -> None:
    stops = [chunk.stop / RATE for chunk in cut(np.zeros(5 * RATE, np.float32), RATE, 2.0, 320)]
    assert stops == [2.0, 4.0, 5.0]


def test_windows_are_few_and_never_longer_than_the_encoder_hears() -> None:
    assert window_lengths("auto", 30.0) == (5.0, 7.0, 9.0, 12.0, 16.0, 22.0, 30.0)
    assert window_lengths("auto", 10.0) == (5.0, 7.0, 9.0, 10.0)
    assert window_lengths("auto", 3.0) == (3.0,)
    assert window_lengths(12.5, 30.0) == (12.5,)
    assert window_lengths(30.0, 3.0) == (3.0,)


@given(st.floats(0.0, 30.0))
def test_behind_a_sound_there_are_three_seconds_of_silence(seconds: float) -> None:
    lengths = window_lengths("auto", 30.0)
    place = fitting(lengths, seconds)
    assert lengths[place] >= seconds + 3 or place == len(lengths) - 1
    # None of the shorter ones would do.
    assert all(length < seconds + 3 for length in lengths[:place])
