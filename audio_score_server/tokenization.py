"""How words are written: one place that knows scripts, spaces and spellings."""

from __future__ import annotations

import unicodedata
from typing import Final

_APOSTROPHES: Final = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2018": "'", "`": "'"})
_UNSPACED: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # Japanese and Chinese iteration marks, zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Blocks of the scripts that put no spaces between words, first and last code point."""


def unspaced(character: str) -> bool:
    """Whether a character is of a script that puts no spaces between words."""
    code = ord(character)
    return any(first <= code <= last for first, last in _UNSPACED)


def plain(text: str) -> str:
    """A text with compatibility forms and odd apostrophes made plain."""
    return unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a plain text are: start and stop of each.

    In scripts without spaces every character, with the marks on it, is a word: their words cannot
    be told without a dictionary, and recognisers of such languages are judged by characters.
    """
    spans: list[tuple[int, int]] = []
    previous = " "
    for index, character in enumerate(text):
        joins = _mark(character) or not (unspaced(character) or unspaced(previous))
        if _spoken(character) and _spoken(previous) and joins:
            spans[-1] = (spans[-1][0], index + 1)
        elif _spoken(character):
            spans.append((index, index + 1))
        previous = character
    return [span for span in (_stripped(text, *span) for span in spans) if span[0] < span[1]]


def words(text: str) -> list[str]:
    """The words of a text, free of case, punctuation and compatibility forms."""
    made_plain = plain(text)
    return [made_plain[start:stop].casefold() for start, stop in word_spans(made_plain)]


def _spoken(character: str) -> bool:
    """Letters, the marks that many scripts write vowels with, digits, and apostrophes."""
    return character == "'" or unicodedata.category(character)[0] in "LMN"


def _mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _stripped(text: str, start: int, stop: int) -> tuple[int, int]:
    """Without the apostrophes around a word, which are quotation marks or left-out letters."""
    word = text[start:stop]
    return start + len(word) - len(word.lstrip("'")), stop - len(word) + len(word.rstrip("'"))
