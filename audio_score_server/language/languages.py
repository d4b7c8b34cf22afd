"""The languages whose words are known by their sounds, each as data.

A further language is a further ``Language`` in ``LANGUAGES``, and a phone model that hears it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from audio_score_server.language.english import (
    expand_contractions,
    foreign_letters,
    look_english,
    surely_english,
)
from audio_score_server.language.lexicon import SpokenWord, pronounce
from audio_score_server.language.phones import PHONES


@dataclass(frozen=True, slots=True)
class Language:
    """What has to be known of a language to hear its words by their phones.

    Attributes:
        code: of ISO 639-1, as recognisers name it.
        phones: all that its words are made of.
        pronounce: the words of a text with their phones, in order.
        expand: a written word as it is spoken: contractions in full.
        may_be: whether the texts of a library may be in it; True of too few words to tell.
        must_be: whether texts are in it beyond doubt; False of too few words to tell.
        has_foreign_letters: whether a text has letters that it is hardly ever written with.
    """

    code: str
    phones: tuple[str, ...]
    pronounce: Callable[[str], tuple[SpokenWord, ...]]
    expand: Callable[[str], str]
    may_be: Callable[[Iterable[str]], bool]
    must_be: Callable[[Iterable[str]], bool]
    has_foreign_letters: Callable[[str], bool]

    def is_language_of(self, text: str) -> bool:
        """Whether one text is in it beyond doubt, letters included."""
        return self.must_be([text]) and not self.has_foreign_letters(text)


ENGLISH: Final = Language(
    "en", PHONES, pronounce, expand_contractions, look_english, surely_english, foreign_letters
)
LANGUAGES: Final[Mapping[str, Language]] = MappingProxyType({ENGLISH.code: ENGLISH})
"""By code."""


def language_of_library(texts: Iterable[str]) -> Language | None:
    """The language that the texts of a library are in beyond doubt; None where nobody knows."""
    texts = list(texts)
    return next((each for each in LANGUAGES.values() if each.must_be(texts)), None)
