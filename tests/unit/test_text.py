from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures, Encoding, FloatArray, Transcript
from audio_score_server.scoring.text import evidence_mean, text_similarity, unit_scores


def _words(text: str, language: str | None = None) -> Transcript:
    return Transcript(text, "word", language)


def _heard(transcript: Transcript, evidence: list[float] | None = None) -> Encoding:
    features = EncoderFeatures(np.zeros((3, 2), np.float32), np.ones(3, np.bool_), 50.0)
    known = None if evidence is None else np.array(evidence, np.float32)
    return Encoding(features, transcript, known)


def _alike(expected: str, heard: str, language: str | None = None) -> float:
    return text_similarity(_words(expected, language), _heard(_words(heard, language)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Hello, World!", "hello world"),
        ("HELLO — world…", "hello\nworld"),
        ("I don\u2019t know", "i don't know"),
        ("I don\u02bct know", "I DON`T KNOW"),
        ("'Tis the \u2018season\u2019", "tis the season"),
        ("stra\u00dfe", "STRASSE"),
        ("cafe\u0301", "caf\u00e9"),
        ("\uff28\uff49 \ufb01ne", "hi fine"),
        ("well-known", "well known"),
        ('"Quote" (aside)', "quote aside"),
    ],
)
def test_spellings_of_the_same_words_are_the_same(left: str, right: str) -> None:
    assert _alike(left, right) == 1.0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("I can't", "I can not"),
        ("We're late", "we are late"),
        ("It's mine", "it is mine"),
        ("at 23 knots", "at twenty three knots"),
        ("two by two", "too buy too"),
        ("every day", "everyday"),
        ("a black board", "a blackboard"),
        ("their knight", "there night"),
    ],
)
def test_what_sounds_the_same_in_english_is_the_same(left: str, right: str) -> None:
    assert _alike(left, right, "en") == pytest.approx(1.0)
    assert _alike(right, left, "en") == pytest.approx(1.0)


def test_numbers_are_read_in_their_language() -> None:
    assert _alike("23 Enten", "dreiundzwanzig enten", "de") == 1.0
    assert _alike("23 canards", "vingt-trois canards", "fr") == 1.0
    assert _alike("23 wat", "23 wat", "xx") == 1.0
    assert _alike("9" * 40, "9" * 40, "en") == 1.0


def test_a_misheard_homophone_costs_less_than_a_near_miss_and_that_less_than_a_wrong_word() -> None:
    line = "the knight saw a bright light"
    homophone = _alike(line, "the night saw a bright light", "en")
    near = _alike(line, "the knight saw a bright kite", "en")
    wrong = _alike(line, "the knight saw a bright umbrella", "en")
    assert homophone == 1.0
    assert homophone > near > wrong == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("left", "right", "similarity"),
    [
        ("one two three four", "one two four", 0.75),
        ("one two", "one two three four", 0.5),
        ("one two", "cat dog", 0.0),
        ("a b", "b a", 0.0),
    ],
)
def test_words_count_as_a_whole(left: str, right: str, similarity: float) -> None:
    assert _alike(left, right) == pytest.approx(similarity)


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    assert _alike("你好世界", "你好世界", "zh") == 1.0
    assert _alike("你好世界", "你好世", "zh") == pytest.approx(0.75)


def test_evidence_for_a_word_that_the_transcript_lacks_counts() -> None:
    expected, heard = _words("one two three four"), _words("one three four")
    without = text_similarity(expected, _heard(heard, [1.0, 0.3, 1.0, 1.0]))
    doubted = text_similarity(expected, _heard(heard, [1.0, 0.75, 1.0, 1.0]))
    sure = text_similarity(expected, _heard(heard, [1.0, 1.0, 1.0, 1.0]))
    assert without == pytest.approx(0.75)
    assert doubted == pytest.approx(0.875)
    assert sure == pytest.approx(1.0)


def test_evidence_of_another_number_of_words_is_left_out() -> None:
    assert text_similarity(_words("one two"), _heard(_words("one"), [1.0])) == pytest.approx(0.5)


@pytest.mark.parametrize("nothing", ["", " ", "...", "\u2019", "\n", "\u2014!?"])
def test_nothing_said_or_expected_is_no_similarity(nothing: str) -> None:
    assert _alike("hello", nothing) == 0.0
    assert _alike(nothing, "hello") == 0.0
    assert _alike(nothing, nothing) == 0.0


def test_silence_scores_nothing_whatever_the_evidence() -> None:
    assert text_similarity(_words("hello"), _heard(_words(""), [1.0])) == 0.0


def test_phones_without_evidence_are_compared_one_by_one() -> None:
    expected, heard = Transcript("HH EH L OW", "phone"), Transcript("HH AH L OW", "phone")
    assert text_similarity(expected, _heard(heard)) == 0.75


def test_the_evidence_of_phones_counts_where_there_is_any() -> None:
    said, expected = Transcript("AH", "phone"), Transcript("B", "phone")
    assert text_similarity(expected, _heard(said, [1.0])) == 1.0
    assert text_similarity(said, _heard(said, [0.0])) == 0.0
    assert text_similarity(said, _heard(said)) == 1.0
    assert text_similarity(said, _heard(said, [])) == 0.0


_EVIDENCE = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20)


def _similarity(evidence: list[float]) -> float:
    array: FloatArray = np.array(evidence, np.float32)
    return evidence_mean(array)


@given(_EVIDENCE)
def test_evidence_gives_a_share_whichever_way_it_runs(evidence: list[float]) -> None:
    similarity = _similarity(evidence)
    assert 0.0 <= similarity <= 1.0
    assert _similarity(evidence[::-1]) == pytest.approx(similarity, abs=1e-5)


@given(_EVIDENCE, st.integers(0, 19), st.floats(0, 1, width=32))
def test_more_evidence_never_scores_less(evidence: list[float], place: int, more: float) -> None:
    raised = list(evidence)
    raised[place % len(raised)] = max(raised[place % len(raised)], more)
    assert _similarity(raised) >= _similarity(evidence) - 1e-6


def test_scattered_evidence_is_worth_less_than_as_much_in_a_row() -> None:
    scattered = np.array([1.0, 0.01, 0.01] * 10, np.float32)
    together = np.sort(scattered)
    assert evidence_mean(scattered) < 0.1
    assert evidence_mean(together) > 0.25


def test_half_a_line_keeps_the_half_that_is_there() -> None:
    half = unit_scores(np.array([1.0] * 15 + [0.018] * 15, np.float32))
    assert half[:12] == pytest.approx(1.0)
    assert half[-12:] == pytest.approx(0.0)


def test_certainty_is_one() -> None:
    assert _similarity([1.0] * 7) == 1.0


_TEXTS = st.text(max_size=30) | st.lists(st.sampled_from(["one", "two", "three"])).map(" ".join)


@given(_TEXTS, _TEXTS, st.sampled_from([None, "en", "de", "zh"]))
def test_similarity_is_a_share(left: str, right: str, language: str | None) -> None:
    similarity = _alike(left, right, language)
    assert 0.0 <= similarity <= 1.0
    assert _alike(right, left, language) == pytest.approx(similarity, abs=1e-5)


@given(_TEXTS)
def test_a_text_is_like_itself_in_any_case(text: str) -> None:
    assert _alike(text, text) in (0.0, 1.0)
