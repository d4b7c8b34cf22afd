"""What clients of OpenAI's API ask: ``/v1/audio/transcriptions`` and ``/v1/models``."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel

from audio_score_server.errors import RequestError
from audio_score_server.pipelines.protocol import TranscriptionOptions
from audio_score_server.telemetry.stages import Stages
from audio_score_server.transcription.subtitles import cues, srt, vtt
from audio_score_server.transcription.words import TimedTranscript, words_of
from audio_score_server.transcription_service import TranscriptionService
from audio_score_server.web.dependencies import Service, Transcriptions
from audio_score_server.web.error_documentation import TRANSCRIPTION_CASES, documented
from audio_score_server.web.event_stream import EVENT_STREAM, begun, event
from audio_score_server.web.routes.score import RECORDING
from audio_score_server.web.routes.transcribe import LANGUAGE_PATTERN
from audio_score_server.web.transcripts import rounded, word_responses

router = APIRouter(prefix="/v1", tags=["openai"])
ALIAS: Final = "whisper-1"
"""What clients call OpenAI's own model: the first that transcribes, here."""
Format = Literal["json", "text", "srt", "vtt", "verbose_json"]
Granularity = Literal["word", "segment"]


class OpenAIModel(BaseModel):
    """A model as OpenAI lists them."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "audio-score-server"


class OpenAIModels(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


@router.get("/models", summary="The loaded models, as OpenAI lists them")
async def get_models(service: Service) -> OpenAIModels:
    """Every loaded model, the default first."""
    return OpenAIModels(data=[OpenAIModel(id=model.key) for model in service.models()])


@router.post(
    "/audio/transcriptions",
    summary="Transcribe a recording, as OpenAI does",
    response_model=None,
    responses={
        200: {
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/plain": {"schema": {"type": "string"}},
                EVENT_STREAM: {"schema": {"type": "string"}},
            }
        },
        **documented(TRANSCRIPTION_CASES),
    },
)
async def post_transcription(
    request: Request,
    service: Transcriptions,
    file: Annotated[UploadFile, RECORDING],
    model: Annotated[str, Form(description="Key of a model, or `whisper-1` for the first.")],
    language: Annotated[str, Form(pattern=LANGUAGE_PATTERN)] = "",
    prompt: Annotated[str, Form(max_length=10_000)] = "",
    response_format: Annotated[Format, Form()] = "json",
    temperature: Annotated[float, Form(ge=0, le=1)] = 0.0,
    granularities: Annotated[
        list[Granularity] | None, Form(alias="timestamp_granularities[]")
    ] = None,
    stream: Annotated[bool, Form()] = False,
) -> Response:
    """Transcribe a recording, asked and answered as OpenAI's API has it."""
    if granularities and response_format != "verbose_json":
        raise RequestError(
            "timestamp_granularities[] goes with response_format verbose_json alone. Set that, or "
            "leave it out."
        )
    stages: Stages = request.state.stages
    stages.add("receive", stages.arrived, time.monotonic() - stages.arrived)
    options = TranscriptionOptions(
        language=language.lower() or None, prompt=prompt, temperature=temperature
    )
    asked = (file.file, key_of_alias(service, model), options, stages)
    if stream:
        return await begun(_events(service, *asked))
    transcript = await service.transcript(*asked)
    return _answer(transcript, response_format, granularities or ["segment"])


def key_of_alias(service: TranscriptionService, model: str) -> str | None:
    """A model's key; None, for the first that can, of OpenAI's name for its own."""
    if model == ALIAS and ALIAS not in {each.key for each in service.models()}:
        return None
    return model


def _answer(
    transcript: TimedTranscript, response_format: Format, granularities: Iterable[Granularity]
) -> Response:
    match response_format:
        case "json":
            return JSONResponse({"text": transcript.text})
        case "text":
            return PlainTextResponse(transcript.text + "\n")
        case "srt":
            return PlainTextResponse("".join(srt(cues(transcript.segments))))
        case "vtt":
            content = "".join(vtt(cues(transcript.segments)))
            return Response(content, media_type="text/vtt; charset=utf-8")
        case "verbose_json":
            return JSONResponse(_verbose(transcript, set(granularities)))


def _verbose(transcript: TimedTranscript, granularities: set[Granularity]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": transcript.language,
        "duration": rounded(transcript.seconds),
        "text": transcript.text,
    }
    if "word" in granularities:
        answer["words"] = [
            {"word": word.word, "start": word.start, "end": word.end}
            for word in word_responses(words_of(transcript.segments))
        ]
    if "segment" in granularities:
        answer["segments"] = [
            {
                "id": number,
                "start": rounded(segment.start),
                "end": rounded(segment.end),
                "text": segment.text,
            }
            for number, segment in enumerate(transcript.segments)
        ]
    return answer


async def _events(
    service: TranscriptionService,
    file: Any,
    model: str | None,
    options: TranscriptionOptions,
    stages: Stages,
) -> AsyncGenerator[str, None]:
    """Text as it is written, segment by segment, and last all of it."""
    texts: list[str] = []
    async with aclosing(service.parts(file, model, options, stages)) as parts:
        async for part in parts:
            for segment in part.segments:
                # Joined, the pieces are the text: the space is the first word's own.
                delta = "".join(word.text for word in segment.words)
                delta = delta if texts else delta.lstrip()
                texts.append(delta)
                yield event({"type": "transcript.text.delta", "delta": delta})
    yield event({"type": "transcript.text.done", "text": "".join(texts)})
