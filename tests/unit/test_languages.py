"""Languages as data: a second one needs nothing but its own description."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np
import pytest

from audio_score_server.domain import Contours, EncoderFeatures, Reference, Transcript
from audio_score_server.language import languages, normalization
from audio_score_server.language.languages import ENGLISH, Language, language_of_library
from audio_score_server.language.lexicon import SpokenWord
from audio_score_server.language.normalization import normalize
from audio_score_server.pipelines.comparison import Comparator


def _pronounce(text: str) -> tuple[SpokenWord, ...]:
    """Of a language of two sounds: P for vowels, T for everything else."""
    return tuple(
        SpokenWord(word, tuple("P" if letter in "aeiou" else "T" for letter in word))
        for word in text.split()
    )


def _is_toy(texts: Iterable[str]) -> bool:
    return all(text.startswith("toy ") for text in texts)


TOY = Language(
    "xx",
    ("P", "T"),
    _pronounce,
    lambda word: word.replace("tt", "t"),
    _is_toy,
    _is_toy,
    lambda text: not text.isascii(),
)


@pytest.fixture(autouse=True)
def _two_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    both = MappingProxyType({each.code: each for each in (ENGLISH, TOY)})
    monkeypatch.setattr(languages, "LANGUAGES", both)
    monkeypatch.setattr(normalization, "LANGUAGES", both)
    normalization.normalize.cache_clear()
    normalization._spoken.cache_clear()


def test_a_library_is_in_the_language_that_its_texts_are_in() -> None:
    assert language_of_library(["toy ba", "toy ka"]) is TOY
    assert language_of_library(["what is this", "the end of it"]) is ENGLISH
    assert language_of_library(["ba", "ka"]) is None


def test_letters_that_a_language_does_not_have_make_a_text_foreign() -> None:
    assert TOY.is_language_of("toy ba")
    assert not TOY.is_language_of("toy bä")


def test_words_are_compared_by_the_languages_own_sounds() -> None:
    one, other = normalize("batt", "xx"), normalize("but", "xx")
    assert one[0].sounds == other[0].sounds
    assert normalize("batt", None)[0].sounds != normalize("but", None)[0].sounds


@pytest.mark.parametrize(("language", "used"), [("xx", True), ("en", False), (None, False)])
def test_a_phone_model_has_a_say_in_its_own_language(language: str | None, used: bool) -> None:
    phones = Comparator("own", TOY, None)
    words = Comparator("auto", None, phones)
    nothing = np.zeros(0, np.float32)
    reference = Reference(
        EncoderFeatures(np.zeros((0, 2), np.float32), nothing, 50.0),
        Transcript("toy ba", "word", language),
        Contours(0.01, nothing, nothing, nothing, nothing),
    )
    assert words.uses_phones(reference) is used
    assert not phones.uses_phones(reference)
