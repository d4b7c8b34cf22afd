"""Why a score is what it is: the answer's ``detail``, as the server's documentation has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A stretch of sound, in seconds from its beginning."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class PhoneDetail:
    """What became of a phone.

    Attributes:
        phone: in ARPAbet without stress.
        score: goodness of pronunciation, from 0 to 1.
        heard: phones heard in its place; empty where it was heard itself, or nothing.
        recording: where it is in the recording; None where it is missing.
        reference: where it is in the clip; None where the clip lacks it.
    """

    phone: str
    score: float
    heard: tuple[str, ...]
    recording: TimeSpan | None
    reference: TimeSpan | None


@dataclass(frozen=True, slots=True)
class WordDetail:
    """What became of a word.

    Attributes:
        text: as in the clip's text.
        status: ``correct``, ``substitution``, ``omission`` or ``insertion``.
        score: from 0 to 1.
        heard: words or phones heard in its place; empty where it is correct or missing.
        recording: where it is in the recording; None for an omission.
        reference: where it is in the clip; None for an insertion.
        phones: empty for models that hear none.
    """

    text: str
    status: str
    score: float
    heard: tuple[str, ...]
    recording: TimeSpan | None
    reference: TimeSpan | None
    phones: tuple[PhoneDetail, ...]


@dataclass(frozen=True, slots=True)
class Pauses:
    """Silences of 0.2 s and more inside what is spoken."""

    reference: tuple[TimeSpan, ...]
    recording: tuple[TimeSpan, ...]


@dataclass(frozen=True, slots=True)
class OnsetDeviation:
    """How far the starts of words are from the clip's, in seconds."""

    median_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class SpeechRate:
    """How many phones or words (``unit``) a second are spoken, pauses included."""

    unit: str
    reference: float
    recording: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Whether the recording fits the clip's picture.

    Attributes:
        reference: from the clip's first sound to its last.
        recording: the same of the recording.
        start_offset_s: how much later than the clip it begins to speak.
        end_offset_s: how much later it ends.
        duration_ratio: time it takes for speaking, over the clip's.
        pauses: of both.
        onset_deviation: None where fewer than two words are known to be in both.
        speech_rate: of both.
    """

    reference: TimeSpan
    recording: TimeSpan
    start_offset_s: float
    end_offset_s: float
    duration_ratio: float
    pauses: Pauses
    onset_deviation: OnsetDeviation | None
    speech_rate: SpeechRate


@dataclass(frozen=True, slots=True)
class Fluency:
    """How fluently the line is spoken, measured by the clip; each from 0 to 1."""

    pronunciation: float
    rhythm: float
    speech_rate: float
    overall: float


@dataclass(frozen=True, slots=True)
class Prosody:
    """Correlations along the alignment, from -1 to 1; None where too little is voiced."""

    pitch_correlation: float | None
    energy_correlation: float | None


@dataclass(frozen=True, slots=True)
class ScoreDetail:
    """Why the scores are what they are.

    Attributes:
        expected: the clip's text; what the model heard in the clip where there is none.
        heard: words or phones that the model heard in the recording.
        words: of the text, and insertions, in order.
        timing: None where nobody speaks.
        fluency: None where no phones are known, or too few are said.
        prosody: of pitch and energy.
        warnings: what speaks against the scores: ``noisy``, ``replay``, ...
        score_version: changes with the formulas.
        timings_ms: how long each stage took on the server, in milliseconds.
    """

    expected: str
    heard: tuple[str, ...]
    words: tuple[WordDetail, ...]
    timing: Timing | None
    fluency: Fluency | None
    prosody: Prosody
    warnings: tuple[str, ...]
    score_version: str
    timings_ms: Mapping[str, float]
