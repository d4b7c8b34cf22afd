"""``POST /scores``."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request, UploadFile

from audio_score_server.batch_score_service import BatchRequest, ScoredPair
from audio_score_server.errors import AmbiguousRequest, RequestError, shortened
from audio_score_server.library.clip import ClipId
from audio_score_server.telemetry.stages import Stages
from audio_score_server.web.dependencies import BatchScores, count_fields
from audio_score_server.web.error_documentation import SCORE_CASES, documented
from audio_score_server.web.routes.score import RECORDING, TIMEOUT, similarities
from audio_score_server.web.schemas import PairResponse, ScoresResponse

router = APIRouter(tags=["score"])
MOST_CLIPS: Final = 50
MOST_RECORDINGS: Final = 20
_FOUND: Final = 5
_ONCE: Final = ("uid", "model", "limit")
_REPEATED: Final = ("clip", "audio")
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {**documented(SCORE_CASES)}
_AUDIO: Final = (
    f"The recording, in any common format; with one clip, up to {MOST_RECORDINGS} recordings."
)
_CLIP: Final = (
    f"A clip, as `uid/cid`; with one recording, up to {MOST_CLIPS} of them. Without any, the "
    "recording is looked for in the whole library."
)


async def _unambiguous(request: Request) -> None:
    """See to it that a form says what is to be said once once, and nothing is said elsewhere.

    Raises:
        AmbiguousRequest: whoever read it would have to choose.
    """
    counts = await count_fields(request, _ONCE, _REPEATED)
    if counts["clip"] > 1 and counts["audio"] > 1:
        raise AmbiguousRequest(
            "Several recordings and several clips: it is either one recording for several clips or "
            "several recordings of one clip. Send a request for each recording."
        )
    if counts["clip"] and counts["uid"]:
        raise AmbiguousRequest(
            "The field 'uid' says where to look for the recording, and 'clip' says what it is. "
            "Send one of them."
        )


@router.post(
    "/scores",
    summary="Score several recordings, or find a recording's clip",
    responses=_ANSWERS,
    dependencies=[Depends(_unambiguous)],
    response_model_exclude_unset=True,
)
async def post_scores(
    request: Request,
    service: BatchScores,
    audio: Annotated[list[UploadFile], RECORDING],
    clip: Annotated[list[str], Form(description=_CLIP)] = [],  # noqa: B006
    uid: Annotated[str, Form(description="Look for the recording in this video alone.")] = "",
    model: Annotated[str, Form(description="Key of a model; the first one where left out.")] = "",
    limit: Annotated[int | None, Form(ge=1, le=50, description="Most scores wanted.")] = None,
    timeout_ms: Annotated[int | None, TIMEOUT] = None,
) -> ScoresResponse:
    """Score one recording for several clips, or for the whole library, or several of one clip."""
    stages: Stages = request.state.stages
    stages.add("receive", stages.arrived, time.monotonic() - stages.arrived)
    allowed_s = None if timeout_ms is None else timeout_ms / 1000
    asked = BatchRequest(model or None, stages, allowed_s)
    uploads = [each.file.read for each in audio]
    _check_number("audio", len(uploads), MOST_RECORDINGS)
    if clip:
        _check_number("clip", len(clip), MOST_CLIPS)
        pairs = await service.score(_clip_ids(clip), uploads, asked)
        return ScoresResponse(model=stages.model, scores=_answers(pairs[:limit]))
    if len(uploads) > 1:
        raise RequestError(
            "Several recordings are compared with one clip: name it in the field clip, as uid/cid."
        )
    found = await service.search(uploads[0], uid or None, limit or _FOUND, asked)
    return ScoresResponse(model=stages.model, scores=_answers(found.pairs), searched=found.searched)


def _check_number(name: str, count: int, most: int) -> None:
    if count > most:
        raise RequestError(
            f"The field {name!r} is there {count} times; at most {most} are taken. Send several "
            "requests."
        )


def _clip_ids(names: list[str]) -> list[ClipId]:
    """What the fields name.

    Raises:
        RequestError: one is no name of a clip, or is there twice.
    """
    ids = []
    for name in names:
        uid, _, cid = name.rpartition("/")
        if not uid or not cid:
            raise RequestError(
                f"The field 'clip' says {shortened(name)!r}; it is uid/cid, as in "
                "RiverTales-s01e01/part01."
            )
        ids.append(ClipId(uid, cid))
    twice = [each for each, count in Counter(ids).items() if count > 1]
    if twice:
        raise AmbiguousRequest(
            f"The clip {shortened(twice[0].uid)}/{shortened(twice[0].cid)} is there more than "
            "once. Name it once."
        )
    return ids


def _answers(pairs: list[ScoredPair]) -> list[PairResponse]:
    return [
        PairResponse(
            uid=pair.clip_id.uid,
            cid=pair.clip_id.cid,
            audio=pair.recording,
            **similarities(pair.score),
        )
        for pair in pairs
    ]
