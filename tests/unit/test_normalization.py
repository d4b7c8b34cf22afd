from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.language.normalization import normalize


def _texts(text: str, language: str | None = "en") -> list[str]:
    return [word.text for word in normalize(text, language)]


@pytest.mark.parametrize(
    ("written", "language", "spoken"),
    [
        ("23", "en", ["twenty", "three"]),
        ("23", None, ["twenty", "three"]),
        ("23", "de", ["dreiundzwanzig"]),
        ("80", "fr", ["quatre", "vingts"]),
        ("007", "en", ["seven"]),
        ("\uff13", "en", ["three"]),
        ("23", "xx", ["23"]),
        ("x2", "en", ["x2"]),
        ("9" * 40, "en", ["9" * 40]),
    ],
)
def test_numbers_are_words_in_their_language(
    written: str, language: str | None, spoken: list[str]
) -> None:
    assert _texts(written, language) == spoken


def test_numbers_that_cannot_be_read_stay_as_they_are() -> None:
    assert _texts("9999", "am") == ["9999"]


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("can't", "can not"),
        ("Won\u2019t", "will not"),
        ("isn't", "is not"),
        ("they're", "they are"),
        ("I'm", "i am"),
        ("we'll", "we will"),
        ("you've", "you have"),
        ("it's", "it is"),
        ("gonna", "going to"),
    ],
)
def test_contractions_are_written_out_in_english_alone(short: str, full: str) -> None:
    assert " ".join(_texts(short)) == full
    assert len(_texts(short, "de")) == 1


@pytest.mark.parametrize("word", ["dog's", "O'Neill", "rock'n'roll"])
def test_what_may_be_anybodys_is_left(word: str) -> None:
    assert _texts(word) == [word.lower()]


def test_the_origin_is_the_place_among_the_words_as_written() -> None:
    words = normalize("We can't, at 23!", "en")
    assert [(word.text, word.origin) for word in words] == [
        ("we", 0),
        ("can", 1),
        ("not", 1),
        ("at", 2),
        ("twenty", 3),
        ("three", 3),
    ]


def test_sounds_are_alike_where_letters_are_not() -> None:
    knight, night, day = normalize("knight night day", "en")
    assert knight.sounds == night.sounds != day.sounds
    assert len(knight.sounds) == 3


@pytest.mark.parametrize("language", [None, "de", "zh"])
def test_elsewhere_letters_are_the_sounds(language: str | None) -> None:
    assert all(word.sounds == word.text for word in normalize("Knight und Tag, 你好", language))


def test_scripts_without_spaces_are_taken_character_by_character() -> None:
    assert _texts("你好,世界", "zh") == ["你", "好", "世", "界"]
    assert _texts("日本go", "ja") == ["日", "本", "go"]


@pytest.mark.parametrize("nothing", ["", " ", "...", "'", "\u2014!?"])
def test_nothing_has_no_words(nothing: str) -> None:
    assert normalize(nothing, "en") == ()


@given(st.text(max_size=30), st.sampled_from([None, "en", "de", "zh", "ja", "ar", "xx"]))
def test_every_word_has_letters_sounds_and_a_place(text: str, language: str | None) -> None:
    words = normalize(text, language)
    assert all(word.text and word.sounds for word in words)
    origins = [word.origin for word in words]
    assert origins == sorted(origins)
    assert normalize(text, language) == words
