from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures, Encoding, FloatArray, Transcript
from audio_score_server.scoring.text import (
    edit_similarity,
    evidence_similarity,
    text_similarity,
    units,
)


def _words(text: str) -> Transcript:
    return Transcript(text, "word")


def _heard(transcript: Transcript, evidence: list[float] | None = None) -> Encoding:
    features = EncoderFeatures(np.zeros((3, 2), np.float32), np.ones(3, np.bool_), 50.0)
    known = None if evidence is None else np.array(evidence, np.float32)
    return Encoding(features, transcript, known)


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
    assert edit_similarity(_words(left), _words(right)) == 1.0


@pytest.mark.parametrize(
    ("left", "right", "similarity"),
    [
        ("one two three four", "one two four", 0.75),
        ("one two", "one two three four", 0.5),
        ("one two", "three four", 0.0),
        ("don't", "dont", 0.0),
        ("were", "we're", 0.0),
        ("a b", "b a", 0.0),
    ],
)
def test_words_count_as_a_whole(left: str, right: str, similarity: float) -> None:
    assert edit_similarity(_words(left), _words(right)) == pytest.approx(similarity)


def test_vowel_signs_of_other_scripts_belong_to_their_words() -> None:
    assert units(_words("\u0939\u093f\u0928\u094d\u0926\u0940")) != units(
        _words("\u0939\u0928\u0926")
    )
    assert len(units(_words("\u0939\u093f\u0928\u094d\u0926\u0940"))) == 1


def test_phones_are_compared_one_by_one() -> None:
    expected, heard = Transcript("HH EH L OW", "phone"), Transcript("HH AH L OW", "phone")
    assert edit_similarity(expected, heard) == 0.75


@pytest.mark.parametrize("nothing", ["", " ", "...", "\u2019", "\n", "\u2014!?"])
def test_nothing_said_or_expected_is_no_similarity(nothing: str) -> None:
    assert units(_words(nothing)) == []
    assert text_similarity(_words("hello"), _heard(_words(nothing))) == 0.0
    assert text_similarity(_words(nothing), _heard(_words("hello"))) == 0.0
    assert text_similarity(_words(nothing), _heard(_words(nothing))) == 0.0


def test_silence_scores_nothing_whatever_the_evidence() -> None:
    assert text_similarity(_words("hello"), _heard(_words(""), [1.0])) == 0.0


def test_the_evidence_counts_where_there_is_any() -> None:
    said, expected = Transcript("AH", "phone"), Transcript("B", "phone")
    assert text_similarity(expected, _heard(said, [1.0])) == 1.0
    assert text_similarity(said, _heard(said, [0.0])) == 0.0
    assert text_similarity(said, _heard(said)) == 1.0
    assert text_similarity(said, _heard(said, [])) == 0.0


_EVIDENCE = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20)


def _similarity(evidence: list[float]) -> float:
    array: FloatArray = np.array(evidence, np.float32)
    return evidence_similarity(array)


@given(_EVIDENCE)
def test_evidence_gives_a_share_whatever_its_order(evidence: list[float]) -> None:
    similarity = _similarity(evidence)
    assert 0.0 <= similarity <= 1.0
    assert _similarity(evidence[::-1]) == pytest.approx(similarity, abs=1e-5)


@given(_EVIDENCE, st.integers(0, 19), st.floats(0, 1, width=32))
def test_more_evidence_never_scores_less(evidence: list[float], place: int, more: float) -> None:
    raised = list(evidence)
    raised[place % len(raised)] = max(raised[place % len(raised)], more)
    assert _similarity(raised) >= _similarity(evidence) - 1e-6


def test_certainty_is_one() -> None:
    assert _similarity([1.0] * 7) == 1.0


_TEXTS = st.text(max_size=30) | st.lists(st.sampled_from(["one", "two", "three"])).map(" ".join)


@given(_TEXTS, _TEXTS)
def test_similarity_is_a_symmetric_share(left: str, right: str) -> None:
    similarity = edit_similarity(_words(left), _words(right))
    assert 0.0 <= similarity <= 1.0
    assert edit_similarity(_words(right), _words(left)) == similarity


@given(_TEXTS)
def test_a_text_is_like_itself_in_any_case(text: str) -> None:
    if units(_words(text)):
        assert edit_similarity(_words(text), _words(text)) == 1.0
        assert text_similarity(_words(text), _heard(_words(text))) == 1.0
