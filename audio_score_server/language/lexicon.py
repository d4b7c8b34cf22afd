"""Written English to phones: a pronunciation dictionary, and a guess for words it lacks.

gruut carries the dictionary (the CMU Pronouncing Dictionary's words), reads numbers, money and
abbreviations out, chooses between homographs, and guesses unknown words with a model of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audio_score_server.language.phones import arpabet_of_ipa

_LANGUAGE: Final = "en-us"


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as read out, with its phones in ARPAbet without stress."""

    text: str
    phones: tuple[str, ...]


def pronounce(text: str) -> tuple[SpokenWord, ...]:
    """The words of a text as an American reads them, in order; nothing for punctuation."""
    # In capitals every word would be spelt out as an abbreviation.
    return _read(text.lower() if text.isupper() else text)


def _read(text: str) -> tuple[SpokenWord, ...]:
    """What gruut makes of a text, less what it fails on: numbers of forty digits, say."""
    try:
        return _read_at_once(text)
    except Exception:
        parts = text.split()
        return tuple(word for part in parts for word in _read(part)) if len(parts) > 1 else ()


def _read_at_once(text: str) -> tuple[SpokenWord, ...]:
    # Imported here: the dictionary costs a second and is needed only for clips not yet cached.
    import gruut

    return tuple(
        SpokenWord(word.text, tuple(_arpabet(word.phonemes)))
        for sentence in gruut.sentences(text, lang=_LANGUAGE)
        for word in sentence
        if word.is_spoken and word.phonemes
    )


def _arpabet(ipa: list[str]) -> list[str]:
    """Length marks and breaks aside, every IPA phone of the dictionary has an ARPAbet phone."""
    return [arpabet_of_ipa(phone) for phone in ipa if phone.strip("ˈˌː|‖")]
