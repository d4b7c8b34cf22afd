"""What became of each word of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from audio_score_server.scoring.time_spans import TimeSpan

WordStatus = Literal["correct", "omission", "substitution", "insertion"]
CORRECT_SCORE: Final = 0.5
"""Worse is another word, or hard to understand: half of the sounds do not bear it out."""


@dataclass(frozen=True, slots=True)
class PhoneDetail:
    """What became of an expected phone.

    Attributes:
        phone: in ARPAbet without stress.
        score: goodness of pronunciation from 0 to 1.
        heard: phones that were heard in its place; empty where it was heard itself, or nothing.
        recording: where it is; None where it is missing.
        reference: where it is in the clip; None where it is missing there.
    """

    phone: str
    score: float
    heard: tuple[str, ...]
    recording: TimeSpan | None
    reference: TimeSpan | None


@dataclass(frozen=True, slots=True)
class ClipWord:
    """A word of a clip's text.

    Attributes:
        text: as in the clip's text.
        reference: where it is in the clip; None where it is missing there.
    """

    text: str
    reference: TimeSpan | None


@dataclass(frozen=True, slots=True)
class WordDetail:
    """What became of an expected word, or a word that nobody expected.

    Attributes:
        text: as in the clip's text; what was heard where it is an insertion.
        status: correct; omission, where it is missing; substitution, where something else was
            said; insertion, where nobody expected it. Miscues, as reading research has them.
        score: from 0 to 1.
        heard: words or phones that were heard in its place; empty where it is correct or an
            omission.
        recording: where it is; None where it is missing or the model hears no phones.
        reference: where it is in the clip; None where it is an insertion or the model hears no
            phones.
        phones: of the word, in order; empty for models that hear none and for insertions.
    """

    text: str
    status: WordStatus
    score: float
    heard: tuple[str, ...] = ()
    recording: TimeSpan | None = None
    reference: TimeSpan | None = None
    phones: tuple[PhoneDetail, ...] = ()
