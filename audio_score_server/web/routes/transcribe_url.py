"""``POST /transcribe-url``: as ``/transcribe``, of a recording that is fetched."""

from __future__ import annotations

import time
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from audio_score_server.fetching.fetch import fetch
from audio_score_server.fetching.policy import FetchPolicy
from audio_score_server.pipelines.protocol import TranscriptionOptions
from audio_score_server.telemetry.stages import Stages
from audio_score_server.web.dependencies import Transcriptions
from audio_score_server.web.error_documentation import FETCHING_CASES, documented
from audio_score_server.web.routes.transcribe import LANGUAGE_PATTERN
from audio_score_server.web.transcripts import TranscriptionResponse, transcription_response

router = APIRouter(tags=["transcribe"])
_IN_MEMORY_BYTES: Final = 2**20
"""A larger recording goes to the folder for temporary files, as uploads do."""
_ERRORS: Final[dict[int | str, dict[str, Any]]] = documented(FETCHING_CASES)


class UrlRequest(BaseModel):
    """What is to be transcribed, and how: the fields of ``/transcribe``, with a URL."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=8_192, examples=["https://example.com/recording.mp3"])
    language: str = Field(default="", pattern=LANGUAGE_PATTERN, description="Else detected.")
    model: str = Field(default="", max_length=1_000, description="Key; the first where left out.")
    prompt: str = Field(default="", max_length=10_000)
    beam_size: int = Field(default=5, ge=1, le=16)
    temperature: float = Field(default=0.0, ge=0, le=1)
    vad_filter: bool = True
    condition_on_previous_text: bool = False
    word_timestamps: bool = True

    def options(self) -> TranscriptionOptions:
        """How the recording is to be written down."""
        return TranscriptionOptions(
            language=self.language.lower() or None,
            prompt=self.prompt,
            beam_size=self.beam_size,
            temperature=self.temperature,
            vad_filter=self.vad_filter,
            condition_on_previous_text=self.condition_on_previous_text,
        )


@router.post(
    "/transcribe-url",
    summary="Transcribe a recording that the server fetches",
    response_model_exclude_unset=True,
    responses=_ERRORS,
)
async def post_transcribe_url(
    request: Request, service: Transcriptions, asked: UrlRequest
) -> TranscriptionResponse:
    """Transcribe the recording at a URL; off unless the server's settings allow some hosts."""
    stages: Stages = request.state.stages
    policy: FetchPolicy = request.app.state.fetch_policy
    with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as spooled:
        file = cast(BinaryIO, spooled)
        await fetch(asked.url, policy, file)
        file.seek(0)
        stages.add("receive", stages.arrived, time.monotonic() - stages.arrived)
        transcript = await service.transcript(file, asked.model or None, asked.options(), stages)
    return transcription_response(transcript, asked.word_timestamps)
