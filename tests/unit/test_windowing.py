"""Cutting recordings into windows: by examples, and whatever a detector says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import FloatArray
from audio_score_server.transcription.windowing import Window, Windowing

RATE, STEP = 1_000, 32
LONGEST_S = 30.0


def _probabilities(*spans: tuple[float, float], seconds: float) -> FloatArray:
    """Speech in some stretches, silence between."""
    times = np.arange(int(seconds * RATE / STEP)) * STEP / RATE
    spoken = np.zeros(len(times), np.float32)
    for start, end in spans:
        spoken[(times >= start) & (times < end)] = 0.95
    return spoken


def _windows(probabilities: FloatArray, block_s: float = 1.0, whole: bool = False) -> list[Window]:
    windowing = Windowing(RATE, STEP, LONGEST_S, whole)
    samples = np.arange(len(probabilities) * STEP, dtype=np.float32)
    found: list[Window] = []
    steps = max(1, int(block_s * RATE / STEP))
    for first in range(0, len(probabilities), steps):
        own = samples[first * STEP : (first + steps) * STEP]
        found += windowing.feed(own, probabilities[first : first + steps])
    return found + list(windowing.finish())


def test_speech_is_cut_out_with_a_little_around_it() -> None:
    (window,) = _windows(_probabilities((5, 8), seconds=20))
    assert window.start == pytest.approx(4.7, abs=0.05)
    assert window.end == pytest.approx(8.3, abs=0.05)
    ((start, end),) = window.speech
    assert (start, end) == pytest.approx((5, 8), abs=0.05)
    assert not window.follows


def test_a_long_pause_ends_a_window_and_a_short_one_does_not() -> None:
    first, second = _windows(_probabilities((1, 3), (4, 6), (10, 12), seconds=15))
    assert len(first.speech) == 2
    assert second.start == pytest.approx(9.7, abs=0.05)


def test_what_is_too_long_is_cut_in_its_longest_pause() -> None:
    first, second = _windows(_probabilities((0, 20), (20.4, 24), (25.5, 50), seconds=55))
    assert 24 < first.end < 25.5
    assert not second.follows


def test_endless_speech_is_cut_all_the_same() -> None:
    first, *others = _windows(_probabilities((0, 100), seconds=100))
    assert not first.follows
    assert all(window.follows for window in others)
    assert sum(window.seconds for window in (first, *others)) == pytest.approx(100, abs=0.1)


def test_a_click_is_no_speech() -> None:
    assert not _windows(_probabilities((5, 5.05), seconds=20))


def test_silence_is_nothing_unless_everything_is_wanted() -> None:
    silence = _probabilities(seconds=70)
    assert not _windows(silence)
    windows = _windows(silence, whole=True)
    assert sum(window.seconds for window in windows) == pytest.approx(70, abs=0.1)


@given(
    chances=st.lists(st.sampled_from((0.0, 0.4, 0.95)), max_size=60),
    each=st.integers(1, 120),
    block_s=st.sampled_from((0.05, 1.0, 47.0)),
    whole=st.booleans(),
)
def test_windows_are_in_order_apart_and_no_longer_than_may_be(
    chances: list[float], each: int, block_s: float, whole: bool
) -> None:
    probabilities = np.repeat(np.array(chances, np.float32), each)
    windows = _windows(probabilities, block_s, whole)
    for window in windows:
        assert 0 < window.seconds <= LONGEST_S + STEP / RATE
        # The samples are their own places.
        assert window.samples[0] == round(window.start * RATE)
        assert np.array_equal(np.diff(window.samples), np.ones(len(window.samples) - 1))
        for start, end in window.speech:
            assert window.start <= start < end <= window.end
    for before, after in pairwise(windows):
        assert before.end <= after.start + 1e-9
    if whole:
        steps = sum(round(window.seconds * RATE / STEP) for window in windows)
        # A rest that is shorter than any word is left out.
        assert len(probabilities) - 5 <= steps <= len(probabilities)


@given(chances=st.lists(st.sampled_from((0.0, 0.95)), max_size=40), each=st.integers(1, 120))
def test_how_the_sound_comes_in_changes_nothing(chances: list[float], each: int) -> None:
    probabilities = np.repeat(np.array(chances, np.float32), each)
    bit_by_bit, at_once = (_windows(probabilities, block_s) for block_s in (0.5, 1e6))
    assert [(one.start, one.end, one.speech) for one in bit_by_bit] == [
        (one.start, one.end, one.speech) for one in at_once
    ]


@given(chances=st.lists(st.sampled_from((0.0, 0.95)), max_size=40), each=st.integers(5, 120))
def test_no_speech_is_lost(chances: list[float], each: int) -> None:
    probabilities = np.repeat(np.array(chances, np.float32), each)
    heard = np.zeros(len(probabilities), np.bool_)
    for window in _windows(probabilities):
        first = round(window.start * RATE / STEP)
        heard[first : first + round(window.seconds * RATE / STEP)] = True
    assert heard[probabilities > 0.5].all()
