from __future__ import annotations

import string

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audio_score_server.language.english import foreign_letters, look_english, surely_english
from audio_score_server.language.lexicon import pronounce
from audio_score_server.language.phones import (
    BLANK,
    PHONES,
    arpabet_of_ipa,
    phone_indices,
    phones_at,
)


def _phones(text: str) -> str:
    return " ".join(phone for word in pronounce(text) for phone in word.phones)


def _words(text: str) -> list[str]:
    return [word.text.lower() for word in pronounce(text)]


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("cat", "K AE T"),
        ("Hello, world!", "HH EH L OW W ER L D"),
        ("thing", "TH IH NG"),
        ("this", "DH IH S"),
        ("measure", "M EH ZH ER"),
        ("judge church", "JH AH JH CH ER CH"),
        ("boy now", "B OY N AW"),
        ("you", "Y UW"),
        ("shoe food", "SH UW F UW D"),
        ("vague pig", "V EY G P IH G"),
        ("put right", "P UH T R AY T"),
        ("hot dawn", "HH AA T D AO N"),
        ("zoo bean", "Z UW B IY N"),
    ],
)
def test_words_are_read_as_in_the_dictionary(text: str, phones: str) -> None:
    assert _phones(text) == phones


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("42", "forty two"),
        ("1999", "nineteen ninety nine"),
        ("Dr. Smith", "doctor smith"),
        ("$5", "five dollars"),
        ("2nd", "second"),
        ("1,000,000", "one million"),
    ],
)
def test_figures_and_abbreviations_are_read_out(text: str, words: str) -> None:
    assert _words(text) == words.split()


def test_unknown_words_are_guessed() -> None:
    assert _phones("blorptangle").startswith("B L")


def test_capitals_are_read_as_words() -> None:
    assert _phones("HELLO THERE") == _phones("hello there")


def test_curly_apostrophes_are_apostrophes() -> None:
    assert _phones("don\u2019t") == _phones("don't") == "D OW N T"


def test_homographs_follow_their_sentence() -> None:
    assert _phones("I read it yesterday").split()[1:4] != _phones("I will read it").split()[4:7]


@pytest.mark.parametrize("text", ["", " ", "...", "!?", "\u2014", "\u200b", "\U0001f642"])
def test_nothing_to_say_gives_nothing(text: str) -> None:
    assert pronounce(text) == ()


def test_the_words_come_in_order_across_sentences() -> None:
    assert _words("One. Two! Three? Four") == ["one", "two", "three", "four"]


_TEXTS = st.text(string.ascii_letters + string.digits + " .,'-$%&:/éñø€\u2019", max_size=16)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(_TEXTS)
@example("1e999")
@example("1" * 40)
@example("$" + "9" * 40)
@example("¥100")
@example("Bach\u2019s façade, naïve résumé")
@example("日本語 Привет")
def test_any_text_is_read_in_phones_of_the_inventory(text: str) -> None:
    for word in pronounce(text):
        assert word.phones
        assert set(word.phones) <= set(PHONES)


@pytest.mark.parametrize(
    ("texts", "english"),
    [
        (["The cat is on the mat and it is happy to be there with you."], True),
        (["Hello there."], True),
        ([], True),
        (["Der Hund ist im Garten und die Katze liegt auf dem warmen alten Dach."], False),
        (["El perro come la carne mientras el gato duerme en la casa de su madre."], False),
        (["Собака лает на кошку"], False),
    ],
)
def test_other_languages_are_told_from_english(texts: list[str], english: bool) -> None:
    assert look_english(texts) is english


@pytest.mark.parametrize(
    ("texts", "english"),
    [
        (["Where is my caf\u00e9?"], True),
        (["They will be here", "on the old street"], True),
        (["Hello there."], True),
        (["Where must I go?"], True),
        (["Well, mother"], True),
        (["Seven three nine"], True),
        (["Peppa Pig"], False),
        (["Ma dai, non lo so mica"], False),
        (["Je ne veux pas du tout"], False),
        ([], False),
        (["Guten Morgen, mein Freund"], False),
        (["El perro come la carne mientras el gato duerme en la casa de su madre."], False),
        (["\u0421\u043e\u0431\u0430\u043a\u0430"], False),
    ],
)
def test_what_is_too_short_to_tell_is_not_surely_english(texts: list[str], english: bool) -> None:
    assert surely_english(texts) is english


def test_letters_with_accents_are_foreign_and_apostrophes_are_not() -> None:
    assert foreign_letters("Was will er \u00fcber uns?")
    assert not foreign_letters("Don\u2019t you see it?")


def test_every_phone_has_its_own_index_beside_the_blank() -> None:
    indices = phone_indices(PHONES)
    assert sorted(indices) == list(range(1, 40))
    assert BLANK not in indices
    assert phones_at(indices) == PHONES


def test_stress_is_dropped() -> None:
    assert phone_indices(["AA0", "AA1", "AA2", "AA"]) == [1, 1, 1, 1]
    assert arpabet_of_ipa("\u02c8oʊ") == arpabet_of_ipa("\u02ccoʊ") == "OW"


def test_a_phone_outside_the_inventory_is_refused() -> None:
    with pytest.raises(KeyError):
        phone_indices(["XX"])
    with pytest.raises(KeyError):
        arpabet_of_ipa("x")
