"""``/jobs``: transcriptions that take longer than a request may."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from audio_score_server.jobs.store import JobState, JobStatus, JobStore
from audio_score_server.web.dependencies import Jobs
from audio_score_server.web.error_documentation import TRANSCRIPTION_CASES, documented
from audio_score_server.web.schemas import ErrorResponse
from audio_score_server.web.transcripts import TranscriptionResponse, rounded

router = APIRouter(prefix="/jobs", tags=["transcribe"])
_JobId = Annotated[str, Path(description="As the answer to the request told it.")]
_ERRORS: Final[dict[int | str, dict[str, Any]]] = documented(TRANSCRIPTION_CASES)


class JobResponse(BaseModel):
    """A job, and what came of it."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState = Field(examples=["running"])
    done_seconds: float = Field(description="Of the recording, so far.", examples=[120.0])
    duration_seconds: float | None = Field(
        description="How long the recording is, or says it is; null until that is known."
    )
    result: TranscriptionResponse | None = Field(
        default=None, description="The answer of `POST /transcribe`, when it has succeeded."
    )
    error: ErrorResponse | None = Field(default=None, description="Why it failed, if it did.")


def job_response(job_id: str, status: JobStatus, result: dict[str, Any] | None) -> JobResponse:
    """A job as its clients see it."""
    more: dict[str, Any] = {}
    if result is not None:
        more["result"] = TranscriptionResponse.model_validate(result)
    if status.state == "failed":
        more["error"] = ErrorResponse(detail=status.detail or "", code=status.code or "")
    total = None if status.total_s is None else rounded(status.total_s)
    return JobResponse(
        id=job_id,
        state=status.state,
        done_seconds=rounded(status.done_s),
        duration_seconds=total,
        **more,
    )


@router.get(
    "/{job_id}",
    summary="How far a job is, and what came of it",
    response_model_exclude_unset=True,
    responses=_ERRORS,
)
async def get_job(jobs: Jobs, job_id: _JobId) -> JobResponse:
    """Ask again every few seconds until the state is `succeeded`, `failed` or `cancelled`."""
    status, result = await asyncio.to_thread(_found, jobs, job_id)
    return job_response(job_id, status, result)


@router.delete(
    "/{job_id}", summary="Cancel a job, or forget it", status_code=204, responses=_ERRORS
)
async def delete_job(jobs: Jobs, job_id: _JobId) -> Response:
    """A job that waits or runs ends soon; one that has ended is forgotten."""
    await asyncio.to_thread(jobs.cancel, job_id)
    return Response(status_code=204)


def _found(jobs: JobStore, job_id: str) -> tuple[JobStatus, dict[str, Any] | None]:
    return jobs.status(job_id), jobs.result(job_id)
