"""``POST /score``."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, File, Form, UploadFile

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


@router.post("/score", summary="Score a recording", responses=SCORE_ERRORS)
@router.post("/score/", include_in_schema=False)
async def post_score(
    service: Service,
    uid: Annotated[str, Form(description="Video id.", examples=["RiverTales-s01e01"])],
    cid: Annotated[str, Form(description="Clip id.", examples=["part01"])],
    audio: Annotated[UploadFile, _RECORDING],
    model: Annotated[
        str, Form(description="Key of a model; the first one where left out.", examples=["phones"])
    ] = "",
) -> ScoreAnswer:
    """Score a recording: how close it came to the clip that it performs."""
    key, score = await service.score(uid, cid, model or None, await audio.read())
    return ScoreAnswer(
        model=key,
        sim_score=round(score.total, _DIGITS),
        audio_sim_score=round(score.audio, _DIGITS),
        text_sim_score=round(score.text, _DIGITS),
    )
