"""The parts of a transcript as one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from audio_score_server.pipelines.protocol import TranscriptPart
from audio_score_server.transcription.words import Segment, TimedTranscript

UNKNOWN_LANGUAGE: Final = "en"
"""Of a recording in which nobody speaks."""


class TranscriptCollector:
    """What has been written down so far."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._segments: list[Segment] = []
        self._language: str | None = None
        self._seconds = 0.0

    def add(self, part: TranscriptPart) -> None:
        """The next part."""
        self._segments += part.segments
        self._language, self._seconds = part.language, part.done_s

    def transcript(self) -> TimedTranscript:
        """All of it; whole after the last part."""
        language = self._language or UNKNOWN_LANGUAGE
        return TimedTranscript(tuple(self._segments), language, self._seconds)


async def collected(parts: AsyncGenerator[TranscriptPart, None]) -> TimedTranscript:
    """The whole transcript, once it is written."""
    collector = TranscriptCollector()
    async with aclosing(parts):
        async for part in parts:
            collector.add(part)
    return collector.transcript()
