"""``POST /score``."""

from __future__ import annotations

import time
from typing import Annotated, Final

from fastapi import APIRouter, File, Form, Header, Request, UploadFile

from audio_score_server.stages import Stages
from audio_score_server.web.dependencies import Service
from audio_score_server.web.errors import SCORE_ERRORS
from audio_score_server.web.schemas import ScoreAnswer

router = APIRouter(tags=["score"])
_DIGITS: Final = 6
"""More would differ between processors."""
# The format makes the documentation page offer a file chooser.
_RECORDING = File(
    description="The recording, in any common format.", json_schema_extra={"format": "binary"}
)
_TIMEOUT = Header(
    alias="X-Request-Timeout-Ms",
    ge=1,
    le=86_400_000,
    description="Give up after so many milliseconds; the server's own limit holds too.",
)


@router.post("/score", summary="Score a recording", responses=SCORE_ERRORS)
@router.post("/score/", include_in_schema=False)
async def post_score(
    request: Request,
    service: Service,
    uid: Annotated[str, Form(description="Video id.", examples=["RiverTales-s01e01"])],
    cid: Annotated[str, Form(description="Clip id.", examples=["part01"])],
    audio: Annotated[UploadFile, _RECORDING],
    model: Annotated[
        str, Form(description="Key of a model; the first one where left out.", examples=["phones"])
    ] = "",
    timeout_ms: Annotated[int | None, _TIMEOUT] = None,
) -> ScoreAnswer:
    """Score a recording: how close it came to the clip that it performs."""
    stages: Stages = request.state.stages
    stages.add("receive", stages.arrived, time.monotonic() - stages.arrived)
    allowed_s = None if timeout_ms is None else timeout_ms / 1000
    score = await service.score(uid, cid, model or None, audio.file.read, stages, allowed_s)
    return ScoreAnswer(
        model=stages.model,
        sim_score=round(score.total, _DIGITS),
        audio_sim_score=round(score.audio, _DIGITS),
        text_sim_score=round(score.text, _DIGITS),
    )
