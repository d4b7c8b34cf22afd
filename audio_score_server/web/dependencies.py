"""What routes are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Depends, Request

from audio_score_server.batch_score_service import BatchScoreService
from audio_score_server.errors import AmbiguousRequest
from audio_score_server.jobs.store import JobStore
from audio_score_server.library_service import LibraryService
from audio_score_server.service import ScoreService
from audio_score_server.transcription_service import TranscriptionService

FIELDS: Final = (
    *("uid", "cid", "model", "audio", "detail", "media", "text"),
    *("language", "prompt", "beam_size", "temperature", "vad_filter"),
    *("condition_on_previous_text", "word_timestamps", "stream"),
)
"""Of the forms that ask for a score or a transcript."""


async def _service(request: Request) -> ScoreService:
    # Not a plain function: FastAPI would look it up in a thread, for each request.
    service = request.app.state.service
    assert isinstance(service, ScoreService)
    return service


async def unambiguous(request: Request) -> None:
    """See to it that a form says each thing once, and that nothing is said elsewhere.

    Raises:
        AmbiguousRequest: whoever read it would have to choose.
    """
    await count_fields(request, FIELDS)


async def count_fields(
    request: Request, once: Sequence[str], repeated: Sequence[str] = ()
) -> Counter[str]:
    """How often each field of a form is there.

    Args:
        request: with the form.
        once: fields that may be there once.
        repeated: those that may be there more often.

    Raises:
        AmbiguousRequest: one is there too often, or stands in the address.
    """
    # Read already: Starlette keeps it.
    counts = Counter(name for name, _ in (await request.form()).multi_items())
    twice = [name for name in once if counts[name] > 1]
    if twice:
        raise AmbiguousRequest(f"The field {twice[0]!r} is there more than once. Send it once.")
    elsewhere = [name for name in (*once, *repeated) if name in request.query_params]
    if elsewhere:
        raise AmbiguousRequest(
            f"{elsewhere[0]!r} stands in the address. Send it as a field of the form."
        )
    return counts


async def _transcriptions(request: Request) -> TranscriptionService:
    service = request.app.state.transcriptions
    assert isinstance(service, TranscriptionService)
    return service


async def _batch_scores(request: Request) -> BatchScoreService:
    service = request.app.state.batch_scores
    assert isinstance(service, BatchScoreService)
    return service


async def _jobs(request: Request) -> JobStore:
    store = request.app.state.jobs
    assert isinstance(store, JobStore)
    return store


async def _library(request: Request) -> LibraryService:
    service = request.app.state.library
    assert isinstance(service, LibraryService)
    return service


Clips = Annotated[LibraryService, Depends(_library)]
BatchScores = Annotated[BatchScoreService, Depends(_batch_scores)]
Jobs = Annotated[JobStore, Depends(_jobs)]
Transcriptions = Annotated[TranscriptionService, Depends(_transcriptions)]
Service = Annotated[ScoreService, Depends(_service)]
