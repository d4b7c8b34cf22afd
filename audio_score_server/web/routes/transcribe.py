"""``POST /transcribe``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Header, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from audio_score_server.jobs.store import JobStore
from audio_score_server.pipelines.collecting import UNKNOWN_LANGUAGE
from audio_score_server.pipelines.protocol import TranscriptionOptions
from audio_score_server.telemetry.stages import Stages
from audio_score_server.transcription_service import TranscriptionService
from audio_score_server.web.dependencies import Jobs, Transcriptions, unambiguous
from audio_score_server.web.error_documentation import TRANSCRIPTION_CASES, documented
from audio_score_server.web.errors import unkept
from audio_score_server.web.event_stream import EVENT_STREAM, begun, event
from audio_score_server.web.routes.jobs import JobResponse, job_response
from audio_score_server.web.routes.score import RECORDING, TIMEOUT
from audio_score_server.web.transcription_jobs import request_of
from audio_score_server.web.transcripts import (
    TranscriptionResponse,
    rounded,
    segment_response,
    transcription_response,
)

router = APIRouter(tags=["transcribe"])
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
    202: {
        "model": JobResponse,
        "description": "A job, where `Prefer: respond-async` asked for it.",
    },
    **documented(TRANSCRIPTION_CASES),
}
_ASYNC: Final = "respond-async"
_PREFER = Header(
    description="`respond-async`: keep the recording and answer 202 with the address of a job."
)
LANGUAGE_PATTERN: Final = r"^([A-Za-z]{2,3}(-[A-Za-z]{2,4})?)?$"


def options_of(
    language: Annotated[
        str, Form(pattern=LANGUAGE_PATTERN, description="Code, such as `en`; else detected.")
    ] = "",
    prompt: Annotated[
        str, Form(max_length=10_000, description="Text that goes before: names and spellings.")
    ] = "",
    beam_size: Annotated[
        int, Form(ge=1, le=16, description="Hypotheses at once; 1 is greedy and fastest.")
    ] = 5,
    temperature: Annotated[
        float, Form(ge=0, le=1, description="0 for the likeliest transcript.")
    ] = 0.0,
    vad_filter: Annotated[bool, Form(description="Whether what is no speech is left out.")] = True,
    condition_on_previous_text: Annotated[
        bool,
        Form(description="Whether each window of 30 s goes on from the text before it: slower."),
    ] = False,
) -> TranscriptionOptions:
    """How a form asks for a transcript."""
    return TranscriptionOptions(
        language=language.lower() or None,
        prompt=prompt,
        beam_size=beam_size,
        temperature=temperature,
        vad_filter=vad_filter,
        condition_on_previous_text=condition_on_previous_text,
    )


@router.post(
    "/transcribe",
    summary="Transcribe a recording",
    response_model=TranscriptionResponse,
    response_model_exclude_unset=True,
    responses=_ANSWERS,
    dependencies=[Depends(unambiguous)],
)
@router.post(
    "/transcribe/",
    response_model=TranscriptionResponse,
    response_model_exclude_unset=True,
    dependencies=[Depends(unambiguous)],
    include_in_schema=False,
)
async def post_transcribe(
    request: Request,
    service: Transcriptions,
    jobs: Jobs,
    audio: Annotated[UploadFile, RECORDING],
    options: Annotated[TranscriptionOptions, Depends(options_of)],
    model: Annotated[
        str, Form(description="Key of a model; the first that can where left out.")
    ] = "",
    word_timestamps: Annotated[bool, Form(description="Whether to tell every word's time.")] = True,
    stream: Annotated[
        bool, Form(description="Whether to send segments as events, while they are written.")
    ] = False,
    timeout_ms: Annotated[int | None, TIMEOUT] = None,
    prefer: Annotated[str, _PREFER] = "",
) -> TranscriptionResponse | Response:
    """Transcribe a recording of any length: what is said, and when."""
    stages: Stages = request.state.stages
    stages.add("receive", stages.arrived, time.monotonic() - stages.arrived)
    if _ASYNC in {part.strip().casefold() for part in prefer.split(",")}:
        kept = request_of(model or None, options, word_timestamps)
        return await _job(request, jobs, audio.file, kept)
    asked = (audio.file, model or None, options, stages)
    if stream:
        return await begun(_events(service, *asked, word_timestamps))
    allowed_s = None if timeout_ms is None else timeout_ms / 1000
    transcript = await service.transcript(*asked, allowed_s)
    return transcription_response(transcript, word_timestamps)


async def _job(request: Request, jobs: JobStore, file: Any, kept: dict[str, Any]) -> Response:
    """Keep the recording for later, and tell where to ask for the result."""
    try:
        job_id = await asyncio.to_thread(jobs.add, file, kept)
    except OSError as error:
        raise unkept(error) from error
    request.app.state.job_worker.notify()
    answer = job_response(job_id, jobs.status(job_id), None)
    return JSONResponse(
        answer.model_dump(exclude_unset=True),
        202,
        {"Location": f"/jobs/{job_id}", "Preference-Applied": _ASYNC},
    )


async def _events(
    service: TranscriptionService,
    file: Any,
    model: str | None,
    options: TranscriptionOptions,
    stages: Stages,
    words: bool,
) -> AsyncGenerator[str, None]:
    """Each segment, how far it is, and last what is known of the whole."""
    number, language, seconds = 0, None, 0.0
    async with aclosing(service.parts(file, model, options, stages)) as parts:
        async for part in parts:
            for segment in part.segments:
                data = segment_response(number, segment, words).model_dump(exclude_unset=True)
                yield event(data, "segment")
                number += 1
            language, seconds = part.language, part.done_s
            told = None if part.total_s is None else rounded(part.total_s)
            yield event(
                {"done_seconds": rounded(part.done_s), "duration_seconds": told}, "progress"
            )
    done = {
        "success": True,
        "language": language or UNKNOWN_LANGUAGE,
        "duration_seconds": rounded(seconds),
    }
    yield event(done, "done")
