"""``POST /score``."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, File, Form, Header, Request, Response, UploadFile

from audio_score_server.domain import Score
from audio_score_server.telemetry.stages import Stages
from audio_score_server.web.dependencies import Service, unambiguous
from audio_score_server.web.detail import DetailResponse
from audio_score_server.web.error_documentation import SCORE_CASES, documented
from audio_score_server.web.schemas import ScoreResponse

router = APIRouter(tags=["score"])
_SVG: Final = "image/svg+xml"
_DIGITS: Final = 6
"""More would differ between processors."""
# The format makes the documentation page offer a file chooser.
RECORDING = File(
    description="The recording, in any common format.", json_schema_extra={"format": "binary"}
)
TIMEOUT = Header(
    alias="X-Request-Timeout-Ms",
    ge=1,
    le=86_400_000,
    description="Give up after so many milliseconds; the server's own limit holds too.",
)


_DETAIL = Form(
    description="`full` tells why, word by word; `plot` draws it instead, as SVG; left out, the "
    "answer is the four numbers and names."
)
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_SVG: {"schema": {"type": "string"}}}},
    **documented(SCORE_CASES),
}


@router.post(
    "/score",
    summary="Score a recording",
    response_model=ScoreResponse,
    response_model_exclude_unset=True,
    responses=_ANSWERS,
    dependencies=[Depends(unambiguous)],
)
@router.post(
    "/score/",
    response_model=ScoreResponse,
    response_model_exclude_unset=True,
    dependencies=[Depends(unambiguous)],
    include_in_schema=False,
)
async def post_score(
    request: Request,
    service: Service,
    uid: Annotated[str, Form(description="Video id.", examples=["RiverTales-s01e01"])],
    cid: Annotated[str, Form(description="Clip id.", examples=["part01"])],
    audio: Annotated[UploadFile, RECORDING],
    model: Annotated[
        str, Form(description="Key of a model; the first one where left out.", examples=["phones"])
    ] = "",
    detail: Annotated[Literal["", "full", "plot"], _DETAIL] = "",
    timeout_ms: Annotated[int | None, TIMEOUT] = None,
) -> ScoreResponse | Response:
    """Score a recording: how close it came to the clip that it performs."""
    stages: Stages = request.state.stages
    stages.add("receive", stages.arrived, time.monotonic() - stages.arrived)
    allowed_s = None if timeout_ms is None else timeout_ms / 1000
    asked = (uid, cid, model or None, audio.file.read, stages, allowed_s)
    if detail == "plot":
        return Response(await service.plot(*asked), media_type=_SVG)
    result = await service.score(*asked, detailed=bool(detail))
    analysis = result.analysis
    if analysis is None:
        return ScoreResponse(**score_numbers(result.score, stages))
    return ScoreResponse(
        **score_numbers(result.score, stages), detail=DetailResponse.of(analysis.detail, stages)
    )


def score_numbers(score: Score, stages: Stages) -> dict[str, Any]:
    """What every answer tells: the model, and the three scores."""
    return {"model": stages.model, **similarities(score)}


def similarities(score: Score) -> dict[str, float]:
    """A score's three numbers, as answers name them."""
    return {
        "sim_score": round(score.total, _DIGITS),
        "audio_sim_score": round(score.audio, _DIGITS),
        "text_sim_score": round(score.text, _DIGITS),
    }
