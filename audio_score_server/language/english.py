"""English as it is written: whether texts are in it, and its contractions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_COMMON: Final = frozenset(
    (
        *("the", "and", "is", "are", "was", "were", "you", "your", "it", "he", "she", "we"),
        *("they", "this", "that", "these", "those", "what", "who", "why", "how", "of", "to"),
        *("for", "with", "from", "have", "has", "had", "do", "does", "did", "not", "be", "been"),
        *("will", "would", "can", "could", "my", "his", "her", "our", "their", "there", "here"),
        *("at", "on", "if", "when", "which", "very", "please", "yes", "about", "after", "again"),
        *("always", "any", "away", "back", "because", "before", "big", "by", "day", "down", "each"),
        *("eat", "else", "even", "ever", "every", "father", "find", "first", "friend", "friends"),
        *("get", "give", "go", "going", "good", "great", "happy", "help", "him", "home", "house"),
        *("into", "just", "know", "let", "like", "little", "look", "love", "made", "make", "many"),
        *("more", "morning", "mother", "much", "must", "need", "never", "night", "nothing", "now"),
        *("off", "old", "one", "only", "other", "over", "own", "people", "play", "really"),
        *("right", "said", "say", "school", "should", "some", "something", "take", "tell", "than"),
        *("thank", "thanks", "them", "then", "thing", "things", "think", "time", "today"),
        *("together", "tomorrow", "too", "two", "up", "us", "wait", "want", "water", "way"),
        *("went", "where", "while", "whole", "whose", "without", "woman", "word", "words"),
        *("work", "world", "year", "years", "yesterday", "young", "new", "live", "lives", "loves"),
        *("likes", "needs", "wants", "three", "four", "five", "seven", "eight", "nine", "bye"),
    )
)
"""Frequent in English and rare in other languages: no "a", "in", "no" or "me"."""
_LEAST_SHARE: Final = 0.08
"""English texts have a quarter and more, others hardly any."""
_FEWEST_WORDS: Final = 12

_CONTRACTIONS: Final = {
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


def look_english(texts: Iterable[str]) -> bool:
    """Whether the texts of a library are English, by the words that hold English together.

    Word lists cannot tell: the dictionary knows the names and the loans of every language.
    """
    words = _words(texts)
    if sum(not word.isascii() for word in words) > len(words) / 2:
        return False
    return len(words) < _FEWEST_WORDS or _share(words) >= _LEAST_SHARE


def surely_english(texts: Iterable[str]) -> bool:
    """As ``look_english``, but False of texts too short to tell."""
    return _share(_words(texts)) >= _LEAST_SHARE


def foreign_letters(text: str) -> bool:
    """Whether a text has letters that few English words are written with."""
    return not all(map(str.isascii, _words([text])))


def _words(texts: Iterable[str]) -> list[str]:
    return [word for text in texts for word in _WORD.findall(text.casefold())]


def _share(words: Sequence[str]) -> float:
    """Of the words that hold English together, among all; 0 of none."""
    return sum(word in _COMMON for word in words) / max(1, len(words))


def expand_contractions(word: str) -> str:
    """A word in lower case, in full."""
    if word in _CONTRACTIONS:
        return _CONTRACTIONS[word]
    for ending, meaning in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return f"{word.removesuffix(ending)} {meaning}"
    if word.endswith("'s") and word.removesuffix("'s") in _BEFORE_IS:
        return word.removesuffix("'s") + " is"
    return word
