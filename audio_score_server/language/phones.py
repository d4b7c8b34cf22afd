"""The 39 phones the encoder hears, and how other notations map onto them.

The set is the CMU Pronouncing Dictionary's ARPAbet with the stress digits dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

PHONES: Final[tuple[str, ...]] = (
    *("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"),
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R"),
    *("S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
BLANK: Final = 0
"""Index of the CTC blank; phone ``PHONES[i]`` has index ``i + 1``."""

_INDEX: Final = {phone: index for index, phone in enumerate(PHONES, start=1)}

_ARPABET_OF_IPA: Final = {
    **{"ɑ": "AA", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɔ": "AO", "aʊ": "AW", "aɪ": "AY", "ɛ": "EH"},
    **{"ɚ": "ER", "eɪ": "EY", "ɪ": "IH", "i": "IY", "oʊ": "OW", "ɔɪ": "OY", "ʊ": "UH", "u": "UW"},
    **{"b": "B", "t͡ʃ": "CH", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "h": "HH", "d͡ʒ": "JH"},
    **{"k": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "s": "S", "ʃ": "SH"},
    **{"t": "T", "θ": "TH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH"},
}
_IPA_STRESS: Final = str.maketrans("", "", "ˈˌ")


def phone_indices(phones: Iterable[str]) -> list[int]:
    """Network output indices of ARPAbet phones, with or without stress digits.

    Raises:
        KeyError: a phone outside the inventory.
    """
    return [_INDEX[phone.rstrip("012")] for phone in phones]


def phones_at(indices: Iterable[int]) -> tuple[str, ...]:
    """The phones at network output indices, none of which is the blank."""
    return tuple(PHONES[index - 1] for index in indices)


def arpabet_of_ipa(ipa: str) -> str:
    """The ARPAbet phone of one IPA phone of the pronunciation dictionary, stress ignored.

    Raises:
        KeyError: a phone that American English, as the dictionary writes it, does not have.
    """
    return _ARPABET_OF_IPA[ipa.translate(_IPA_STRESS)]
