"""What routes are given."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from audio_score_server.service import ScoreService


async def _service(request: Request) -> ScoreService:
    # Not a plain function: FastAPI would look it up in a thread, for each request.
    service = request.app.state.service
    assert isinstance(service, ScoreService)
    return service


Service = Annotated[ScoreService, Depends(_service)]
