"""Times of words: whatever an aligner finds, they are in order and where somebody speaks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import Alignment
from audio_score_server.transcription.recognition import RecognizedWord
from audio_score_server.transcription.timing import Times, timed, times_by_phones
from audio_score_server.transcription.windowing import Window

_SECONDS = 10.0


def _window(*speech: tuple[float, float], start: float = 100.0) -> Window:
    samples = np.zeros(int(_SECONDS * 100), np.float32)
    spans = tuple((start + begin, start + end) for begin, end in speech)
    return Window(start, samples, 100, spans, follows=False)


def _words(count: int) -> list[RecognizedWord]:
    return [RecognizedWord(f" w{number}", 0.5) for number in range(count)]


def test_times_are_those_of_the_recording() -> None:
    first, second = timed(_words(2), [(1.0, 1.5), (2.0, 2.5)], _window((0.5, 3.0)))
    assert (first.start, first.end) == (101.0, 101.5)
    assert (second.start, second.end) == (102.0, 102.5)


def test_words_of_unknown_time_share_what_is_between_their_neighbours() -> None:
    found = timed(_words(4), [(1.0, 2.0), None, None, (4.0, 5.0)], _window((0.0, 10.0)))
    assert [(word.start, word.end) for word in found[1:3]] == [(102.0, 103.0), (103.0, 104.0)]


def test_a_word_does_not_reach_far_into_silence() -> None:
    (found,) = timed(_words(1), [(0.0, 1.4)], _window((1.0, 3.0)))
    assert found.start == pytest.approx(100.85)


def test_a_word_is_where_its_phones_are() -> None:
    alignment = Alignment(
        np.array([True, False, True, False]),
        np.array([50, 0, 60, 0]),
        np.array([55, 0, 65, 0]),
        np.ones(4, np.float32),
        (),
    )
    first, second, third = times_by_phones([("AH", "B"), ("K", "S"), ()], alignment, 50.0)
    assert first is not None
    assert second is not None
    assert first[0] == pytest.approx(1.0, abs=0.1)
    assert second[0] == pytest.approx(1.2, abs=0.1)
    assert third is None


_TIMES = st.one_of(
    st.none(), st.tuples(st.floats(-5, 15), st.floats(-5, 15)).map(lambda pair: tuple(sorted(pair)))
)


@given(
    times=st.lists(_TIMES, max_size=20),
    edges=st.lists(st.floats(0, _SECONDS), max_size=8),
)
def test_words_never_overlap_nor_run_backwards_nor_leave_the_window(
    times: list[Times], edges: list[float]
) -> None:
    ordered = sorted(edges)[: len(edges) // 2 * 2]
    window = _window(*zip(ordered[::2], ordered[1::2], strict=True))
    found = timed(_words(len(times)), times, window)
    assert len(found) == len(times)
    for word in found:
        assert window.start <= word.start <= word.end <= window.end + 1e-9
    for before, after in pairwise(found):
        assert before.end <= after.start
