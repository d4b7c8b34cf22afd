"""Changing clips: ``PUT``, ``PATCH`` and ``DELETE`` of ``/clips/{uid}/{cid}``."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Header, Response, UploadFile

from audio_score_server.library.clip import ClipId
from audio_score_server.library.writing import Media, Precondition
from audio_score_server.web.byte_ranges import etags_of
from audio_score_server.web.clip_answers import clip_answer
from audio_score_server.web.dependencies import Clips, unambiguous
from audio_score_server.web.routes.clips import CID, ERRORS, UID
from audio_score_server.web.schemas import ClipResponse, ClipTextRequest

router = APIRouter(tags=["library"])
_IF_MATCH = Header(
    alias="If-Match", description="Only if the clip has one of these ETags; `*` for any."
)
_IF_NONE_MATCH = Header(
    alias="If-None-Match", description="Only if it has none of these; `*`: only if it is new."
)
_MEDIA = File(
    description="The clip, in any of the formats that a library takes; its name's ending says "
    "which.",
    json_schema_extra={"format": "binary"},
)


@router.put(
    "/clips/{uid}/{cid}",
    summary="Add a clip, or replace it",
    status_code=201,
    responses={200: {"model": ClipResponse, "description": "It was there before."}, **ERRORS},
    dependencies=[Depends(unambiguous)],
)
async def put_clip(
    response: Response,
    clips: Clips,
    uid: UID,
    cid: CID,
    media: Annotated[UploadFile, _MEDIA],
    text: Annotated[str | None, Form(description="What is said in it.", max_length=5_000)] = None,
    if_match: Annotated[str | None, _IF_MATCH] = None,
    if_none_match: Annotated[str | None, _IF_NONE_MATCH] = None,
) -> ClipResponse:
    """Add a clip, or replace it, text and all; when this answers, every worker serves it."""
    suffix = PurePath(media.filename or "").suffix.lower()
    clip, is_new = await clips.put(
        ClipId(uid, cid),
        Media(media.file, suffix),
        text,
        Precondition(etags_of(if_match), etags_of(if_none_match)),
    )
    response.status_code = 201 if is_new else 200
    response.headers["ETag"] = clip.etag
    return await clip_answer(clips, clip)


@router.patch("/clips/{uid}/{cid}", summary="Change a clip's text", responses=ERRORS)
async def patch_clip(
    response: Response,
    clips: Clips,
    uid: UID,
    cid: CID,
    change: ClipTextRequest,
    if_match: Annotated[str | None, _IF_MATCH] = None,
) -> ClipResponse:
    """Change a clip's text; when this answers, every worker serves it."""
    precondition = Precondition(etags_of(if_match))
    clip = await clips.set_text(ClipId(uid, cid), change.text, precondition)
    response.headers["ETag"] = clip.etag
    return await clip_answer(clips, clip)


@router.delete("/clips/{uid}/{cid}", summary="Take a clip out", status_code=204, responses=ERRORS)
async def delete_clip(
    clips: Clips,
    uid: UID,
    cid: CID,
    if_match: Annotated[str | None, _IF_MATCH] = None,
) -> Response:
    """Take a clip out of the library; when this answers, no worker serves it."""
    await clips.delete(ClipId(uid, cid), Precondition(etags_of(if_match)))
    return Response(status_code=204)
