"""Transcriptions that are jobs: how they are kept, and how they are done."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from audio_score_server.jobs.store import Job
from audio_score_server.pipelines.collecting import TranscriptCollector
from audio_score_server.pipelines.protocol import TranscriptionOptions
from audio_score_server.telemetry.stages import Stages
from audio_score_server.transcription_service import TranscriptionService
from audio_score_server.web.transcripts import transcription_response


def request_of(model: str | None, options: TranscriptionOptions, words: bool) -> dict[str, Any]:
    """What is asked of a recording, as a job keeps it."""
    return {"model": model, "options": asdict(options), "words": words}


class TranscriptionWork:
    """Does jobs with a service."""

    def __init__(self, service: TranscriptionService) -> None:
        self._service = service

    async def __call__(self, job: Job) -> None:
        """Write a job's recording down; its result is the answer of ``POST /transcribe``."""
        request = await asyncio.to_thread(job.request)
        options = TranscriptionOptions(**request["options"])
        collector = TranscriptCollector()
        with job.recording() as file:
            asked = (file, request["model"], options, Stages())
            async with aclosing(self._service.parts(*asked)) as parts:
                async for part in parts:
                    collector.add(part)
                    if await asyncio.to_thread(_told, job, part.done_s, part.total_s):
                        return
        transcript = collector.transcript()
        answer = transcription_response(transcript, request["words"]).model_dump(exclude_unset=True)
        await asyncio.to_thread(job.succeed, answer, transcript.seconds)


def _told(job: Job, done_s: float, total_s: float | None) -> bool:
    """Tell how far a job is; whether nobody wants it any more."""
    if job.cancelled:
        job.cancel()
        return True
    job.progress(done_s, total_s)
    return False
