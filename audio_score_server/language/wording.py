"""Texts as they are compared: words free of spelling, each with its sounds.

What is spoken alike is written in many ways: numbers in digits or words, contractions in full or
not, homophones, one word or two. Comparing sounds beside letters forgives all of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from num2words import num2words

from audio_score_server.language.lexicon import pronounce
from audio_score_server.language.phones import phone_indices
from audio_score_server.writing import words

_ENGLISH: Final = "en"
_FIRST_SOUND: Final = 0x2460
_LONGEST_NUMBER: Final = 15
_UNREADABLE: Final = frozenset({"am"})
"""Languages in which num2words fails on some numbers and never ends at others."""
_WHOLE: Final = {
    **{"can't": "can not", "won't": "will not", "shan't": "shall not", "ain't": "is not"},
    **{
        "let's": "let us",
        "gonna": "going to",
        "wanna": "want to",
        "gotta": "got to",
        "cannot": "can not",
    },
}
_ENDINGS: Final = {"n't": "not", "'re": "are", "'m": "am", "'ll": "will", "'ve": "have"}
_BEFORE_IS: Final = frozenset(
    ("it", "he", "she", "that", "this", "what", "who", "where", "when", "how", "there", "here")
)
"""After these ``'s`` is short for "is"; after others it may be anybody's."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is compared.

    Attributes:
        text: in letters, free of case and punctuation.
        sounds: one character for each sound (English), else its letters.
        origin: place among the words of the text as written: a number in digits, or a contraction,
            becomes several words.
    """

    text: str
    sounds: str
    origin: int


@lru_cache(maxsize=1024)
def wording(text: str, language: str | None) -> tuple[Word, ...]:
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
    elif language == _ENGLISH:
        spelt = _expanded(word).split()
    else:
        spelt = [word]
    return tuple((each, _sounds(each, language)) for each in spelt)


def _number(number: int, language: str | None) -> str:
    if language in _UNREADABLE:
        return str(number)
    try:
        return str(num2words(number, lang=language or _ENGLISH))
    except Exception:  # whatever it stumbles over, the number can be compared as it stands
        return str(number)


def _expanded(word: str) -> str:
    if word in _WHOLE:
        return _WHOLE[word]
    for ending, meaning in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return f"{word.removesuffix(ending)} {meaning}"
    if word.endswith("'s") and word.removesuffix("'s") in _BEFORE_IS:
        return word.removesuffix("'s") + " is"
    return word


def _sounds(word: str, language: str | None) -> str:
    if language != _ENGLISH:
        return word
    phones = [phone for spoken in pronounce(word) for phone in spoken.phones]
    return "".join(chr(_FIRST_SOUND + index) for index in phone_indices(phones)) or word
