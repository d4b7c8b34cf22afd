"""Texts as they are compared: words free of spelling, each with its sounds.

What is spoken alike is written in many ways: numbers in digits or words, contractions in full or
not, homophones, one word or two. Comparing sounds beside letters forgives all of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from num2words import num2words

from audio_score_server.language.languages import ENGLISH, LANGUAGES
from audio_score_server.tokenization import words

_FIRST_SOUND: Final = 0x2460
_LONGEST_NUMBER: Final = 15
_UNREADABLE: Final = frozenset({"am"})
"""Languages in which num2words fails on some numbers and never ends at others."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is compared.

    Attributes:
        text: in letters, free of case and punctuation.
        sounds: one character for each sound where they are known, else its letters.
        origin: place among the words of the text as written: a number in digits, or a contraction,
            becomes several words.
    """

    text: str
    sounds: str
    origin: int


@lru_cache(maxsize=1024)
def normalize(text: str, language: str | None) -> tuple[Word, ...]:
    """The words of a text as they are compared.

    Args:
        text: as written.
        language: code of its language; None where nobody knows, then letters are the sounds.
    """
    return tuple(
        Word(spoken, sounds, origin)
        for origin, word in enumerate(words(text))
        for spoken, sounds in _spoken(word, language)
    )


@lru_cache(maxsize=16_384)
def _spoken(word: str, language: str | None) -> tuple[tuple[str, str], ...]:
    """What is said where a word is written, and how it sounds."""
    if word.isdecimal() and len(word) <= _LONGEST_NUMBER:
        spelt = words(_number(int(word), language))
    else:
        known = LANGUAGES.get(language or "")
        spelt = known.expand(word).split() if known else [word]
    return tuple((each, _sounds(each, language)) for each in spelt)


def _number(number: int, language: str | None) -> str:
    if language in _UNREADABLE:
        return str(number)
    try:
        return str(num2words(number, lang=language or ENGLISH.code))
    except Exception:  # whatever it stumbles over, the number can be compared as it stands
        return str(number)


def _sounds(word: str, language: str | None) -> str:
    known = LANGUAGES.get(language or "")
    if known is None:
        return word
    phones = [phone for spoken in known.pronounce(word) for phone in spoken.phones]
    return "".join(chr(_FIRST_SOUND + known.phones.index(phone)) for phone in phones) or word
