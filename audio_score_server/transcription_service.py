"""Writing recordings down for requests: which model, how many at once, until when."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import BinaryIO, Final

from audio_score_server.errors import QueueFull
from audio_score_server.model_registry import TRANSCRIBE
from audio_score_server.pipelines.collecting import collected
from audio_score_server.pipelines.protocol import (
    TranscriptionModel,
    TranscriptionOptions,
    TranscriptPart,
)
from audio_score_server.service import ScoreService
from audio_score_server.telemetry.stages import Stages
from audio_score_server.transcription.words import TimedTranscript

_RETRY_S: Final = 10.0
"""Transcriptions take long: when there is room again, nobody can tell."""


class TranscriptionService:
    """Transcribes with the models of a service."""

    def __init__(self, service: ScoreService, most: int, timeout_s: float) -> None:
        """``most``: recordings at once; ``timeout_s``: longest time for one."""
        self._service = service
        self._most = most
        self._timeout_s = timeout_s
        self._under_way = 0

    def overloaded(self) -> QueueFull | None:
        """How any request would be refused now; None while one would be taken."""
        return QueueFull(self._under_way, _RETRY_S) if self._under_way >= self._most else None

    def models(self) -> tuple[TranscriptionModel, ...]:
        """Those that can transcribe, the default first."""
        return self._service.able(TRANSCRIBE)

    async def parts(
        self, file: BinaryIO, model: str | None, options: TranscriptionOptions, stages: Stages
    ) -> AsyncGenerator[TranscriptPart, None]:
        """Write a recording down, part by part, for as long as somebody asks for the next.

        Args:
            file: the recording's, at its beginning.
            model: key of a loaded model; None for the first that can.
            options: how.
            stages: told which model it was and how much sound there is.

        Raises:
            RequestError: the request cannot be served as it stands.
            QueueFull: as many transcriptions as may be are under way.
            NotReady: the server is starting or stopping.
            AudioScoreError: see ``TranscriptionModel.transcribe``.
        """
        with self._admitted(), self._service.lease(model, TRANSCRIBE, stages) as transcriber:
            async with aclosing(transcriber.transcribe(file, options)) as parts:
                async for part in parts:
                    stages.audio_s = part.done_s
                    yield part

    async def transcript(
        self,
        file: BinaryIO,
        model: str | None,
        options: TranscriptionOptions,
        stages: Stages,
        allowed_s: float | None = None,
    ) -> TimedTranscript:
        """Write a recording down as a whole, within the time that there is.

        Args:
            file: the recording's, at its beginning.
            model: key of a loaded model; None for the first that can.
            options: how.
            stages: told which model it was and how much sound there is.
            allowed_s: how long the client waits, from the request's arrival; None for as long as
                the server allows.

        Raises:
            RequestTimeout: it was not done in time.
            AudioScoreError: see ``parts``.
        """
        allowed_s = min(self._timeout_s, allowed_s or self._timeout_s)
        stages.deadline = stages.arrived + allowed_s
        async with stages.within_deadline():
            return await collected(self.parts(file, model, options, stages))

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if (rejection := self.overloaded()) is not None:
            raise rejection
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
