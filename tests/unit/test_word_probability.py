"""What the probability of a word is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.transcription.word_probability import word_probability

_SHARES = st.floats(0, 1)


@given(_SHARES, _SHARES)
def test_the_surer_word_is_never_the_less_probable(one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert 0 <= word_probability(less) <= word_probability(more) <= 1


def test_what_is_impossible_and_certain_stays_so() -> None:
    assert word_probability(0.0) == 0
    assert word_probability(1.0) == 1


def test_words_are_right_more_often_than_whisper_is_sure() -> None:
    assert word_probability(0.75) == pytest.approx(0.84)
