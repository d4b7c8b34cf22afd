"""How wide the text of words is on the screen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from audio_score_server.tokenization import unspaced
from audio_score_server.transcription.words import TimedWord

LINE_COLUMNS: Final = 42.0
"""Longest line, in Latin letters: Netflix's limit; the BBC has 37 on television, more elsewhere."""
_WIDE: Final = LINE_COLUMNS / 16
"""Columns of a Chinese, Japanese or Korean character: 16 of them fill a line."""
_BESIDE_WIDE: Final = _WIDE / 2
"""Columns of any other character in a text of those scripts, whose fonts give it half the width."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def on_one_line(text: str) -> str:
    """A text without control characters, surrogates, and spaces that are not single ones."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    return " ".join(_CONTROL.sub(" ", _SURROGATE.sub("", text)).split())


def visible(text: str) -> bool:
    """Whether there is anything to read in a text."""
    return any(unicodedata.category(each)[0] not in "CZ" for each in text)


def begins_spaced(text: str) -> bool:
    """Whether a word's text has a space before it."""
    return _CONTROL.sub(" ", text[:1]).isspace()


def between(before: str, after: str) -> str:
    """What separates the texts of two words of one segment."""
    return " " if begins_spaced(after) or begins_spaced(before[-1:]) else ""


def between_segments(before: str, after: str) -> str:
    """What separates the last word of a segment and the first of the next."""
    alike = unspaced(on_one_line(before)[-1]) or unspaced(on_one_line(after)[0])
    return between(before, after) or ("" if alike else " ")


def narrow_columns(texts: Iterator[str]) -> float:
    """How many columns a character takes that is not a wide one, in a run of these texts."""
    wide = (each for text in texts if not text.isascii() for each in text if _width(each) > 1)
    return _BESIDE_WIDE if any(unicodedata.category(each) == "Lo" for each in wide) else 1.0


def columns(text: str, narrow: float) -> float:
    """How many columns a text takes.

    Args:
        text: on one line.
        narrow: what ``narrow_columns`` says of the run.
    """
    if text.isascii():
        return len(text) * narrow
    return sum((0.0, narrow, _WIDE)[_width(each)] for each in text)


@lru_cache(maxsize=4096)
def _width(character: str) -> int:
    """0 for marks above or below others, 2 for wide characters, else 1."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitting(word: TimedWord, narrow: float) -> Iterator[TimedWord]:
    """A word; its parts if it is longer than a line, with its time shared out by their width."""
    text = on_one_line(word.text)
    if columns(text, narrow) <= LINE_COLUMNS:
        yield word
        return
    parts = list(_parts(text, narrow))
    whole, so_far, start = sum(columns(part, narrow) for part in parts), 0.0, word.start
    for place, part in enumerate(parts):
        so_far += columns(part, narrow)
        end = min(word.end, word.start + (word.end - word.start) * so_far / whole)
        spaced = place == 0 and begins_spaced(word.text)
        yield TimedWord(" " * spaced + part, start, end, word.probability)
        start = end


def _parts(text: str, narrow: float) -> Iterator[str]:
    """What a text is cut into so that each part fits a line.

    Cut in the second half of a line where there is a space, a hyphen or a slash; else at its end.
    """
    begin = 0
    while begin < len(text):
        stop = _filled(text, begin, narrow)
        if stop < len(text):
            gaps = (text.rfind(" ", begin, stop), *(text.rfind(e, begin, stop) + 1 for e in "-/"))
            stop = max(gaps) if max(gaps) > (begin + stop) / 2 else stop
        yield text[begin:stop]
        begin = stop


def _filled(text: str, begin: int, narrow: float) -> int:
    """Where a line ends that begins at ``begin`` and is as full as may be; not before a mark."""
    room, stop = LINE_COLUMNS, begin
    while stop < len(text) and (room := room - columns(text[stop], narrow)) >= 0:
        stop += 1
    longest = stop
    while begin + 1 < stop < len(text) and unicodedata.category(text[stop])[0] == "M":
        stop -= 1
    return stop if stop > begin + 1 else longest
