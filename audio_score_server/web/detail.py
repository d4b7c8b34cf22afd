"""The JSON of ``detail=full``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from audio_score_server.scoring.delivery import Delivery
from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.melody import Melody
from audio_score_server.scoring.spans import Span
from audio_score_server.scoring.timing import Drift, Pauses, Rate, Timing
from audio_score_server.scoring.words import PhoneDetail, Status, WordDetail
from audio_score_server.stages import Stage, Stages

_SCORE_DIGITS: Final = 6
"""More would differ between processors."""
_TIME_DIGITS: Final = 3
"""Frames are 10 or 20 ms apart."""
_Share = Annotated[float, Field(ge=0, le=1)]
_Correlation = Annotated[float | None, Field(ge=-1, le=1)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class SpanAnswer(_Answer):
    """A stretch of sound, in seconds from its beginning."""

    start: float = Field(examples=[0.42])
    end: float = Field(examples=[0.71])

    @classmethod
    def of(cls, span: Span) -> Self:
        """Rounded to milliseconds."""
        return cls(start=_seconds(span.start), end=_seconds(span.stop))


class PhoneAnswer(_Answer):
    """What became of a phone."""

    phone: str = Field(description="In ARPAbet without stress.", examples=["IH"])
    score: _Share = Field(description="Goodness of pronunciation.", examples=[0.91])
    heard: str | None = Field(
        description="Phones heard in its place; null where it was heard itself, or nothing.",
        examples=["IY"],
    )
    recording: SpanAnswer | None = Field(description="Null where it is missing.")
    reference: SpanAnswer | None = Field(description="Null where the clip lacks it.")

    @classmethod
    def of(cls, phone: PhoneDetail) -> Self:
        """Rounded."""
        return cls(
            phone=phone.phone,
            score=_score(phone.score),
            heard=phone.heard,
            recording=_span(phone.recording),
            reference=_span(phone.reference),
        )


class WordAnswer(_Answer):
    """What became of a word."""

    text: str = Field(description="As in the clip's text.", examples=["ship"])
    status: Status = Field(examples=["changed"])
    score: _Share = Field(examples=[0.64])
    heard: str | None = Field(
        description="What was heard in its place: words, or phones with spaces between them. "
        "Null where it is as expected or missing.",
        examples=["SH IY P"],
    )
    recording: SpanAnswer | None = Field(
        description="Null where it is missing, or the model hears no phones."
    )
    reference: SpanAnswer | None = Field(
        description="Null where it is added, or the model hears no phones."
    )
    phones: list[PhoneAnswer] = Field(description="Empty for models that hear none.")

    @classmethod
    def of(cls, word: WordDetail) -> Self:
        """Rounded."""
        return cls(
            text=word.text,
            status=word.status,
            score=_score(word.score),
            heard=word.heard,
            recording=_span(word.recording),
            reference=_span(word.reference),
            phones=[PhoneAnswer.of(phone) for phone in word.phones],
        )


class PausesAnswer(_Answer):
    """Silences of 0.2 s and more inside what is spoken."""

    reference: list[SpanAnswer]
    recording: list[SpanAnswer]

    @classmethod
    def of(cls, pauses: Pauses) -> Self:
        """Rounded."""
        return cls(reference=_spans(pauses.reference), recording=_spans(pauses.recording))


class DriftAnswer(_Answer):
    """How far the starts of words wander from the clip's, counted from the first of both."""

    median_s: float = Field(examples=[0.06])
    largest_s: float = Field(examples=[0.21])

    @classmethod
    def of(cls, drift: Drift) -> Self:
        """Rounded."""
        return cls(median_s=_seconds(drift.median_s), largest_s=_seconds(drift.largest_s))


class RateAnswer(_Answer):
    """How many phones or words a second are spoken, pauses included."""

    unit: Literal["phone", "word"]
    reference: float = Field(examples=[12.1])
    recording: float = Field(examples=[9.8])

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """Rounded."""
        return cls(
            unit=rate.unit, reference=_seconds(rate.reference), recording=_seconds(rate.recording)
        )


class TimingAnswer(_Answer):
    """Whether the recording fits the clip's picture."""

    reference: SpanAnswer = Field(description="From the clip's first sound to its last.")
    recording: SpanAnswer = Field(description="The same of the recording.")
    start_offset_s: float = Field(
        description="How much later than the clip it begins to speak.", examples=[0.18]
    )
    end_offset_s: float = Field(description="How much later it ends.", examples=[-0.05])
    duration_ratio: float = Field(
        description="Time it takes for speaking, over the clip's.", examples=[0.93]
    )
    pauses: PausesAnswer
    drift: DriftAnswer | None = Field(
        description="Null where fewer than two words are known to be in both."
    )
    rate: RateAnswer

    @classmethod
    def of(cls, timing: Timing) -> Self:
        """Rounded."""
        return cls(
            reference=SpanAnswer.of(timing.reference),
            recording=SpanAnswer.of(timing.recording),
            start_offset_s=_seconds(timing.start_offset_s),
            end_offset_s=_seconds(timing.end_offset_s),
            duration_ratio=_seconds(timing.duration_ratio),
            pauses=PausesAnswer.of(timing.pauses),
            drift=None if timing.drift is None else DriftAnswer.of(timing.drift),
            rate=RateAnswer.of(timing.rate),
        )


class DeliveryAnswer(_Answer):
    """How well the line is delivered, measured by the clip."""

    pronunciation: _Share = Field(description="How clearly its phones are heard.", examples=[0.82])
    rhythm: _Share = Field(description="How nearly they keep the clip's time.", examples=[0.71])
    pace: _Share = Field(description="1 for as fast as the clip, or faster.", examples=[0.88])
    overall: _Share = Field(description="Mean of the three.", examples=[0.8])

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Rounded."""
        return cls(
            pronunciation=_score(delivery.pronunciation),
            rhythm=_score(delivery.rhythm),
            pace=_score(delivery.pace),
            overall=_score(delivery.overall),
        )


class MelodyAnswer(_Answer):
    """Correlations along the alignment; null where too little is voiced, or nothing moves."""

    pitch: _Correlation = Field(description="Of the melodies.", examples=[0.72])
    level: _Correlation = Field(description="Of the loudness.", examples=[0.81])

    @classmethod
    def of(cls, melody: Melody) -> Self:
        """Rounded."""
        return cls(
            pitch=None if melody.pitch is None else _score(melody.pitch),
            level=None if melody.level is None else _score(melody.level),
        )


class DetailAnswer(_Answer):
    """Why the scores are what they are."""

    expected: str = Field(
        description="The clip's text; what the model heard in the clip where there is none.",
        examples=["Look at this big ship."],
    )
    heard: str = Field(
        description="What the model heard in the recording: words, or phones.",
        examples=["L UH K AE T DH IH S B IH G SH IY P"],
    )
    words: list[WordAnswer] = Field(description="Of the text, and those added, in order.")
    timing: TimingAnswer | None = Field(description="Null where nobody speaks.")
    delivery: DeliveryAnswer | None = Field(
        description="Null where no phones are known, or too few are said."
    )
    melody: MelodyAnswer
    verdicts: list[str] = Field(description="What stands against the scores.")
    score_version: str = Field(description="Changes with the formulas.")
    stages_ms: dict[Stage, float] = Field(
        description="How long each stage took, in milliseconds.", examples=[{"device": 12.3}]
    )

    @classmethod
    def of(cls, detail: Detail, stages: Stages) -> Self:
        """Rounded to what is meaningful."""
        return cls(
            expected=detail.expected,
            heard=detail.heard,
            words=[WordAnswer.of(word) for word in detail.words],
            timing=None if detail.timing is None else TimingAnswer.of(detail.timing),
            delivery=None if detail.delivery is None else DeliveryAnswer.of(detail.delivery),
            melody=MelodyAnswer.of(detail.melody),
            verdicts=list(detail.verdicts),
            score_version=detail.score_version,
            stages_ms={span.stage: round(1000 * span.seconds, 1) for span in stages.spans},
        )


def _score(value: float) -> float:
    return round(value, _SCORE_DIGITS)


def _seconds(value: float) -> float:
    return round(value, _TIME_DIGITS)


def _span(span: Span | None) -> SpanAnswer | None:
    return None if span is None else SpanAnswer.of(span)


def _spans(spans: Iterable[Span]) -> list[SpanAnswer]:
    return [SpanAnswer.of(span) for span in spans]
