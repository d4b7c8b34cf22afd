"""``GET /clips`` and ``GET /clips/{uid}/{cid}``, and the models that score them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Path, Query, Request, Response

from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.library_service import LibraryService
from audio_score_server.web.byte_ranges import etags_of, is_among
from audio_score_server.web.clip_answers import clip_answer, summary
from audio_score_server.web.dependencies import Clips, Service
from audio_score_server.web.error_documentation import CLIP_CASES, documented
from audio_score_server.web.routes.health import model_answers
from audio_score_server.web.schemas import (
    ClipResponse,
    ClipSummaryResponse,
    ClipWordResponse,
    ModelResponse,
)

router = APIRouter(tags=["library"])
_MOST: Final = 1_000
UID = Annotated[str, Path(description="Video id.", examples=["RiverTales-s01e01"])]
CID = Annotated[str, Path(description="Clip id.", examples=["part01"])]
IF_NONE_MATCH = Header(
    alias="If-None-Match", description="ETag that the client has: then the answer is 304 alone."
)
ERRORS: Final[dict[int | str, dict[str, Any]]] = documented(CLIP_CASES)


@router.get("/models", summary="The loaded models")
async def get_models(service: Service) -> list[ModelResponse]:
    """The loaded models; the first one scores requests that name none."""
    return model_answers(service)


@router.get("/clips", summary="The reference clips", responses=ERRORS)
async def get_clips(
    request: Request,
    response: Response,
    clips: Clips,
    uid: Annotated[str | None, Query(description="Clips of this video alone.")] = None,
    q: Annotated[
        str, Query(description="Words that all are in the ids or the text.", max_length=200)
    ] = "",
    limit: Annotated[int, Query(ge=1, le=_MOST, description="Most clips to answer.")] = _MOST,
    after: Annotated[
        str, Query(description="The last clip of the page before, as `uid_cid`.", max_length=500)
    ] = "",
) -> list[ClipSummaryResponse]:
    """The reference clips, of one video or of all; where there are more, `Link` leads on."""
    found = await clips.search(uid, q)
    response.headers["X-Total-Count"] = str(len(found))
    left = [clip for clip in found if clip.id > _id_of(after)] if after else found
    if len(left) > limit:
        following = {**request.query_params, "limit": limit, "after": str(left[limit - 1].id)}
        response.headers["Link"] = f'<?{urlencode(following)}>; rel="next"'
    return [summary(clip) for clip in left[:limit]]


@router.get(
    "/clips/{uid}/{cid}",
    summary="A reference clip",
    response_model=ClipResponse,
    responses={304: {"description": "The client has it already."}, **ERRORS},
)
async def get_clip(
    response: Response,
    clips: Clips,
    uid: UID,
    cid: CID,
    if_none_match: Annotated[str | None, IF_NONE_MATCH] = None,
) -> Any:
    """A reference clip: its text, its file, its language, and which models are ready for it."""
    return await _unless_known(clips, ClipId(uid, cid), response, if_none_match, clip_answer)


@router.get(
    "/clips/{uid}/{cid}/words",
    summary="When each word of a reference clip is said",
    response_model=list[ClipWordResponse],
    responses={304: {"description": "The client has it already."}, **ERRORS},
)
async def get_words(
    response: Response,
    clips: Clips,
    uid: UID,
    cid: CID,
    if_none_match: Annotated[str | None, IF_NONE_MATCH] = None,
) -> Any:
    """The words of a reference clip's text, each with its time; none where no model knows times."""
    return await _unless_known(
        clips, ClipId(uid, cid), response, if_none_match, LibraryService.words
    )


async def _unless_known(
    clips: LibraryService,
    clip_id: ClipId,
    response: Response,
    if_none_match: str | None,
    tell: Callable[[LibraryService, Clip], Awaitable[Any]],
) -> Any:
    """What ``tell`` says of a clip, under the clip's ETag; 304 to a client that has that."""

    async def told(clip: Clip) -> Any:
        # Models get ready for one version without its changing: whoever has it asks again.
        response.headers.update({"ETag": clip.etag, "Cache-Control": "private, no-cache"})
        if is_among(clip.etag, etags_of(if_none_match)):
            return Response(status_code=304, headers=dict(response.headers))
        return await tell(clips, clip)

    return await clips.using(clip_id, told)


def _id_of(name: str) -> ClipId:
    uid, _, cid = name.rpartition("_")
    return ClipId(uid, cid)
