"""The JSON of ``detail=full``: the dataclasses of ``scoring``, rounded and described."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.recording_warnings import RecordingWarning
from audio_score_server.scoring.words import WordStatus
from audio_score_server.telemetry.stages import Stage, Stages

_SCORE_DIGITS: Final = 6
"""More would differ between processors."""
_TIME_DIGITS: Final = 3
"""Frames are 10 or 20 ms apart."""
_Share = Annotated[
    float, Field(ge=0, le=1), AfterValidator(lambda value: round(value, _SCORE_DIGITS))
]
_Correlation = Annotated[
    float, Field(ge=-1, le=1), AfterValidator(lambda value: round(value, _SCORE_DIGITS))
]
_Number = Annotated[float, AfterValidator(lambda value: round(value, _TIME_DIGITS))]


class _FromScoring(BaseModel):
    """Made of the attributes of the same names."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class TimeSpanResponse(_FromScoring):
    """A stretch of sound, in seconds from its beginning."""

    start: _Number = Field(examples=[0.42])
    end: _Number = Field(examples=[0.71])


class PhoneResponse(_FromScoring):
    """What became of a phone."""

    phone: str = Field(description="In ARPAbet without stress.", examples=["IH"])
    score: _Share = Field(description="Goodness of pronunciation.", examples=[0.91])
    heard: list[str] = Field(
        description="Phones heard in its place; empty where it was heard itself, or nothing.",
        examples=[["IY"]],
    )
    recording: TimeSpanResponse | None = Field(description="Null where it is missing.")
    reference: TimeSpanResponse | None = Field(description="Null where the clip lacks it.")


class WordResponse(_FromScoring):
    """What became of a word."""

    text: str = Field(description="As in the clip's text.", examples=["ship"])
    status: WordStatus = Field(examples=["substitution"])
    score: _Share = Field(examples=[0.64])
    heard: list[str] = Field(
        description="Words or phones heard in its place; empty where it is correct or missing.",
        examples=[["SH", "IY", "P"]],
    )
    recording: TimeSpanResponse | None = Field(
        description="Null for an omission, and for models that hear no phones."
    )
    reference: TimeSpanResponse | None = Field(
        description="Null for an insertion, and for models that hear no phones."
    )
    phones: list[PhoneResponse] = Field(description="Empty for models that hear none.")


class PausesResponse(_FromScoring):
    """Silences of 0.2 s and more inside what is spoken."""

    reference: list[TimeSpanResponse]
    recording: list[TimeSpanResponse]


class OnsetDeviationResponse(_FromScoring):
    """How far the starts of words are from the clip's, counted from the first of both."""

    median_s: _Number = Field(examples=[0.06])
    max_s: _Number = Field(examples=[0.21])


class SpeechRateResponse(_FromScoring):
    """How many phones or words a second are spoken, pauses included."""

    unit: Literal["phone", "word"]
    reference: _Number = Field(examples=[12.1])
    recording: _Number = Field(examples=[9.8])


class TimingResponse(_FromScoring):
    """Whether the recording fits the clip's picture."""

    reference: TimeSpanResponse = Field(description="From the clip's first sound to its last.")
    recording: TimeSpanResponse = Field(description="The same of the recording.")
    start_offset_s: _Number = Field(
        description="How much later than the clip it begins to speak.", examples=[0.18]
    )
    end_offset_s: _Number = Field(description="How much later it ends.", examples=[-0.05])
    duration_ratio: _Number = Field(
        description="Time it takes for speaking, over the clip's.", examples=[0.93]
    )
    pauses: PausesResponse
    onset_deviation: OnsetDeviationResponse | None = Field(
        description="Null where fewer than two words are known to be in both."
    )
    speech_rate: SpeechRateResponse


class FluencyResponse(_FromScoring):
    """How fluently the line is spoken, measured by the clip."""

    pronunciation: _Share = Field(description="How clearly its phones are heard.", examples=[0.82])
    rhythm: _Share = Field(description="How nearly they keep the clip's time.", examples=[0.71])
    speech_rate: _Share = Field(
        description="1 for as fast as the clip, or faster.", examples=[0.88]
    )
    overall: _Share = Field(description="Mean of the three.", examples=[0.8])


class ProsodyResponse(_FromScoring):
    """Correlations along the alignment; null where too little is voiced, or nothing moves."""

    pitch_correlation: _Correlation | None = Field(examples=[0.72])
    energy_correlation: _Correlation | None = Field(examples=[0.81])


class DetailResponse(_FromScoring):
    """Why the scores are what they are."""

    expected: str = Field(
        description="The clip's text; what the model heard in the clip where there is none.",
        examples=["Look at this big ship."],
    )
    heard: list[str] = Field(
        description="Words or phones that the model heard in the recording.",
        examples=[["L", "UH", "K", "AE", "T", "DH", "IH", "S", "B", "IH", "G", "SH", "IY", "P"]],
    )
    words: list[WordResponse] = Field(description="Of the text, and insertions, in order.")
    timing: TimingResponse | None = Field(description="Null where nobody speaks.")
    fluency: FluencyResponse | None = Field(
        description="Null where no phones are known, or too few are said."
    )
    prosody: ProsodyResponse
    warnings: list[RecordingWarning] = Field(description="What speaks against the scores.")
    score_version: str = Field(description="Changes with the formulas.")
    timings_ms: dict[Stage, float] = Field(
        default_factory=dict,
        description="How long each stage took, in milliseconds.",
        examples=[{"device": 12.3}],
    )

    @classmethod
    def of(cls, detail: Detail, stages: Stages) -> Self:
        """The JSON of a detail, and of how long its stages took."""
        timings = {span.stage: round(1000 * span.seconds, 1) for span in stages.spans}
        return cls.model_validate(detail).model_copy(update={"timings_ms": timings})
