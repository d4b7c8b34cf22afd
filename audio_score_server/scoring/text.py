"""How alike two transcripts read."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from rapidfuzz.distance import Levenshtein

from audio_score_server.domain import Transcript

_APOSTROPHES: Final = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2018": "'", "`": "'"})
_WORDS: Final = re.compile(r"\w+(?:'\w+)*")


def text_similarity(reference: Transcript, heard: Transcript) -> float:
    """One minus the edit distance over the longer length, of words or of phones; 0 for silence."""
    expected, said = units(reference), units(heard)
    if not expected or not said:
        return 0.0
    return Levenshtein.normalized_similarity(expected, said)


def units(transcript: Transcript) -> list[str]:
    """The words, free of case, punctuation and compatibility forms; or the phones."""
    if transcript.unit == "phone":
        return transcript.text.split()
    folded = unicodedata.normalize("NFKC", transcript.text).casefold()
    return _WORDS.findall(folded.translate(_APOSTROPHES))
