"""How much a break between two words, of a line or of a subtitle, disturbs those who read.

The order is that of the subtitling guides of Netflix and the BBC: after a sentence, after a clause,
in a pause, before a conjunction or preposition; not between what belongs together, such as an
article and its noun.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from audio_score_server.tokenization import plain, unspaced
from audio_score_server.transcription.function_words import (
    CONJUNCTIONS_AND_PREPOSITIONS,
    DETERMINERS,
    PRONOUNS_AND_AUXILIARIES,
    TITLES,
)

SENTENCE: Final = 0.0
"""Cost of a break after a sentence; all others are higher."""
CLAUSE: Final = 1.0
"""After a comma or the like."""
_PAUSE: Final = 2.0
"""Where the speaker pauses."""
_BEFORE_LINK: Final = 3.0
"""Before a conjunction or preposition."""
_PLAIN: Final = 5.0
"""Between two words of which nothing is known."""
_AFTER_WEAK: Final = 6.0
"""After a pronoun or an auxiliary verb, whose verb follows."""
_AFTER_LINK: Final = 7.0
"""After a conjunction or preposition, within a name, between a number and what is counted."""
_AFTER_DETERMINER: Final = 9.0
"""After an article, a possessive or a title."""
_WITHIN_WORD: Final = 40.0
"""Where no space is; worse than anything but a line that is too long."""
_FORBIDDEN: Final = 60.0
"""Before a mark that closes, after one that opens."""

_PAUSE_S: Final = 0.5
"""From here on a silence is a speaker's pause, not the stop of a consonant."""

_SENTENCE_MARKS: Final = frozenset(".!?…。！？｡؟۔।॥։።၊။")  # noqa: RUF001
_CLAUSE_MARKS: Final = frozenset(",;:،؛、，；：､—\u2013")  # noqa: RUF001
_CLOSING: Final = ")]}»«”“’\"'）］｝」』】》〉〕"  # noqa: RUF001
"""What may follow the mark of a sentence; what closes in one language opens in another."""
_NOT_FIRST: Final = (
    _SENTENCE_MARKS
    | (_CLAUSE_MARKS - set("—\u2013"))
    | set(")]}）］｝」』】》〉〕％%・ー々ゝゞヽヾぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ")  # noqa: RUF001
    | set("ะาำๆฯະາຳໆຯ")
)
"""No line begins with these: closing marks, small kana, vowels that are written after."""
_NOT_LAST: Final = frozenset("([{¿¡（［｛「『【《〈〔เแโใไເແໂໃໄ")  # noqa: RUF001
"""No line ends with these: opening marks, vowels that are written before."""


def break_cost(before: str, after: str, spaced: bool, pause: float) -> float:
    """What a break costs between two words.

    Args:
        before: the word before it, on one line; not empty.
        after: the word behind it, likewise.
        spaced: whether a space is between them.
        pause: silence between them in seconds.
    """
    if _held_together(before, after, spaced):
        return _FORBIDDEN
    if not spaced and not (unspaced(before[-1]) or unspaced(after[0]) or _wide_mark(before[-1])):
        return _WITHIN_WORD
    ending = before.rstrip(_CLOSING)[-1:]
    if ending in _SENTENCE_MARKS and not _abbreviated(before, after):
        return SENTENCE
    if ending in _CLAUSE_MARKS:
        return CLAUSE
    cost = _between_words(before, after) if spaced else _between_characters(before[-1], after[0])
    return min(cost, _PAUSE + max(0.0, cost - _PLAIN)) if pause >= _PAUSE_S else cost


def _held_together(before: str, after: str, spaced: bool) -> bool:
    """Whether a mark forbids the break; not in front of ``...and`` or ``.net``."""
    first = after[0] in _NOT_FIRST and not (spaced and any(map(str.isalnum, after)))
    quotation = before == "«" or after == "»"
    mark = unicodedata.category(after[0])[0] == "M"
    return first or quotation or mark or before[-1] in _NOT_LAST


def _wide_mark(character: str) -> bool:
    """Whether this is punctuation of the scripts without spaces."""
    return unicodedata.east_asian_width(character) in "WF" and not character.isalnum()


def _abbreviated(before: str, after: str) -> bool:
    """Whether a full stop ends no sentence: ``Dr.``, ``J.``, ``U.S.``, ``etc. and``."""
    if not before.endswith("."):
        return False
    word = before[:-1].casefold()
    initial = len(word) == 1 and word.isalpha() and word != "i"
    return initial or "." in word.strip(".") or word in TITLES or after[0].islower()


def _between_words(before: str, after: str) -> float:
    left, right = _function_word(before), _function_word(after)
    if left in DETERMINERS or left in TITLES:
        return _AFTER_DETERMINER
    if right in CONJUNCTIONS_AND_PREPOSITIONS:
        return _AFTER_WEAK if left in CONJUNCTIONS_AND_PREPOSITIONS else _BEFORE_LINK
    if left in CONJUNCTIONS_AND_PREPOSITIONS or _belong_together(before, after):
        return _AFTER_LINK
    return _AFTER_WEAK if left in PRONOUNS_AND_AUXILIARIES else _PLAIN


def _function_word(word: str) -> str:
    """As the lists have it: small letters, and ``I`` of ``I'm``."""
    return plain(word).casefold().strip("\"'([{¿¡«„“").split("'")[0].rstrip(".,;:!?")


def _belong_together(before: str, after: str) -> bool:
    """Whether both have a capital, as names do, or one is the number of the other."""
    return before[-1].isdigit() or (before[0].isupper() and after[0].isupper())


def _between_characters(before: str, after: str) -> float:
    """Without spaces: in Japanese, a phrase ends with hiragana, and no other script does.

    Words of Chinese or Thai cannot be told without a dictionary.
    """
    if "\u3041" <= before <= "\u309f" and not "\u3041" <= after <= "\u309f":
        return _BEFORE_LINK
    if before.isdigit() or ("\u30a0" <= before <= "\u30ff" and "\u30a0" <= after <= "\u30ff"):
        return _AFTER_DETERMINER
    return _AFTER_LINK if "\u3041" <= after <= "\u309f" else _PLAIN
