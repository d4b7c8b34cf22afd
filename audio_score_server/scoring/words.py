"""What became of each word of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from audio_score_server.scoring.spans import Span

Status = Literal["said", "missed", "changed", "added"]
SAID_SCORE: Final = 0.5
"""Worse is another word, or hard to understand: half of the sounds do not bear it out."""


@dataclass(frozen=True, slots=True)
class PhoneDetail:
    """What became of an expected phone.

    Attributes:
        phone: in ARPAbet without stress.
        score: goodness of pronunciation from 0 to 1.
        heard: phones that were heard in its place, with spaces between them; None where it was
            heard itself, or nothing.
        recording: where it is; None where it is missing.
        reference: where it is in the clip; None where it is missing there.
    """

    phone: str
    score: float
    heard: str | None
    recording: Span | None
    reference: Span | None


@dataclass(frozen=True, slots=True)
class WordDetail:
    """What became of an expected word, or a word that nobody expected.

    Attributes:
        text: as in the clip's text; what was heard where the word is added.
        status: said, missed, changed for something else, or added.
        score: from 0 to 1.
        heard: what was heard in its place: words, or phones with spaces between them; None where
            it is as expected or missing.
        recording: where it is; None where it is missing or the model hears no phones.
        reference: where it is in the clip; None where it is added or the model hears no phones.
        phones: of the word, in order; empty for models that hear none and for added words.
    """

    text: str
    status: Status
    score: float
    heard: str | None = None
    recording: Span | None = None
    reference: Span | None = None
    phones: tuple[PhoneDetail, ...] = ()
