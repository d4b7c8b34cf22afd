"""Transcripts as JSON, and as events while they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from audio_score_server.transcription.words import Segment, TimedTranscript, TimedWord

_DIGITS = 3


class _Transcript(BaseModel):
    model_config = ConfigDict(frozen=True)


class TimedWordResponse(_Transcript):
    """A word and its place in the recording."""

    start: float = Field(description="Seconds from the beginning.", examples=[0.36])
    end: float = Field(examples=[0.63])
    word: str = Field(description="With the punctuation that touches it.", examples=["Hello"])
    probability: float = Field(ge=0, le=1, examples=[0.98])


class SegmentResponse(_Transcript):
    """A sentence, or what is between two pauses."""

    id: int = Field(description="Counted from 0.")
    start: float = Field(examples=[0.36])
    end: float = Field(examples=[2.13])
    text: str = Field(examples=["Hello world."])
    words: list[TimedWordResponse] | None = Field(
        default=None, description="Unless `word_timestamps` is false."
    )


class TranscriptionResponse(_Transcript):
    """What a recording says, and when."""

    success: bool
    language: str = Field(description="Code of the language.", examples=["en"])
    duration_seconds: float = Field(description="How long the recording is.", examples=[12.5])
    segments: list[SegmentResponse]


def transcription_response(transcript: TimedTranscript, words: bool) -> TranscriptionResponse:
    """A whole transcript; ``words``: with the times of words."""
    return TranscriptionResponse(
        success=True,
        language=transcript.language,
        duration_seconds=rounded(transcript.seconds),
        segments=[
            segment_response(number, segment, words)
            for number, segment in enumerate(transcript.segments)
        ],
    )


def segment_response(number: int, segment: Segment, words: bool) -> SegmentResponse:
    """One segment."""
    fields: dict[str, Any] = {"words": word_responses(segment.words)} if words else {}
    return SegmentResponse(
        id=number,
        start=rounded(segment.start),
        end=rounded(segment.end),
        text=segment.text,
        **fields,
    )


def word_responses(words: Sequence[TimedWord]) -> list[TimedWordResponse]:
    """Words without the spaces before them."""
    return [
        TimedWordResponse(
            start=rounded(word.start),
            end=rounded(word.end),
            word=word.text.strip(),
            probability=rounded(word.probability),
        )
        for word in words
    ]


def rounded(seconds: float) -> float:
    """To the millisecond."""
    return round(seconds, _DIGITS)
