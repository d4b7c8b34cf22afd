from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import FloatArray
from audio_score_server.language.normalization import Word, normalize
from audio_score_server.scoring.word_similarity import word_similarity

_LINES = st.lists(st.text("abcde", min_size=1, max_size=6), min_size=1, max_size=8)
_EVIDENCE = st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8)


def _line(texts: list[str]) -> list[Word]:
    """Words that sound as they are written."""
    return [Word(text, text, place) for place, text in enumerate(texts)]


def _alike(expected: str, heard: str) -> float:
    return word_similarity(normalize(expected, "en"), normalize(heard, "en"), None)


@given(_LINES, _LINES)
def test_a_share_the_same_either_way(left: list[str], right: list[str]) -> None:
    alike = word_similarity(_line(left), _line(right), None)
    assert 0.0 <= alike <= 1.0
    assert word_similarity(_line(right), _line(left), None) == pytest.approx(alike, abs=1e-5)


@given(_LINES)
def test_a_line_is_wholly_like_itself(line: list[str]) -> None:
    assert word_similarity(_line(line), _line(line), None) == pytest.approx(1.0)


@given(_LINES, _LINES, _EVIDENCE)
def test_evidence_stays_a_share_and_never_costs(
    left: list[str], right: list[str], evidence: list[float]
) -> None:
    known: FloatArray = np.array(evidence, np.float32)
    without = word_similarity(_line(left), _line(right), None)
    assert without - 1e-5 <= word_similarity(_line(left), _line(right), known) <= 1.0


@given(_LINES, _LINES)
def test_evidence_up_to_even_odds_tells_nothing(left: list[str], right: list[str]) -> None:
    even = np.full(8, 0.5, np.float32)
    without = word_similarity(_line(left), _line(right), None)
    assert word_similarity(_line(left), _line(right), even) == pytest.approx(without, abs=1e-6)


def test_evidence_is_by_the_words_as_written() -> None:
    expected, heard = normalize("we can't stop", "en"), normalize("we stop", "en")
    sure = np.array([0, 1, 0], np.float32)
    assert word_similarity(expected, heard, None) == pytest.approx(0.5)
    assert word_similarity(expected, heard, sure) == pytest.approx(1.0)


def test_two_words_may_be_one_on_either_side() -> None:
    assert _alike("every day", "everyday") == pytest.approx(1.0)
    assert _alike("everyday", "every day") == pytest.approx(1.0)
    assert _alike("see it every day now", "see it everyday now") == pytest.approx(1.0)
    assert _alike("day every", "everyday") < 0.6


def test_words_that_share_half_their_sounds_are_different_words() -> None:
    whole, half, most = ([Word(each, each, 0)] for each in ("abcd", "abxy", "abcx"))
    assert word_similarity(whole, half, None) == 0.0
    assert word_similarity(whole, most, None) == pytest.approx(0.5)


def test_an_added_word_costs_as_much_as_a_missing_one() -> None:
    assert _alike("one two three", "one two three four") == pytest.approx(0.75)
    assert _alike("one two three four", "one two three") == pytest.approx(0.75)


def test_nothing_heard_is_worth_nothing() -> None:
    assert word_similarity(_line(["a"]), [], np.ones(1, np.float32)) == 0.0
