"""``GET /clips/{uid}/{cid}/media``: what a page plays."""

from __future__ import annotations

import asyncio
import io
import os
from typing import Annotated, Any, BinaryIO, Final

from fastapi import APIRouter, Header, Query, Request, Response

from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.library.errors import LibraryUnavailable
from audio_score_server.references.build import broken
from audio_score_server.web.byte_ranges import (
    RangeNotSatisfiable,
    etags_of,
    file_response,
    is_among,
    requested_range,
)
from audio_score_server.web.clip_answers import media_type
from audio_score_server.web.clip_error_cases import RANGE_NOT_SATISFIABLE
from audio_score_server.web.dependencies import Clips
from audio_score_server.web.errors import error_response
from audio_score_server.web.routes.clips import CID, ERRORS, IF_NONE_MATCH, UID

router = APIRouter(tags=["library"])
_WAV: Final = "audio/wav"
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"video/*": {}, "audio/*": {}}},
    206: {"description": "The part that `Range` asks for."},
    304: {"description": "The client has it already."},
    **ERRORS,
}


@router.get(
    "/clips/{uid}/{cid}/media",
    summary="A reference clip's file",
    response_class=Response,
    responses=_ANSWERS,
)
async def get_media(
    request: Request,
    clips: Clips,
    uid: UID,
    cid: CID,
    audio: Annotated[
        bool, Query(description="The sound alone, as WAV, whatever the clip is.")
    ] = False,
    asked: Annotated[str | None, Header(alias="Range", description="One range of bytes.")] = None,
    if_range: Annotated[
        str | None, Header(alias="If-Range", description="ETag for which the range is meant.")
    ] = None,
    if_none_match: Annotated[str | None, IF_NONE_MATCH] = None,
) -> Response:
    """A reference clip's file, or a range of it, as a browser seeks."""

    async def answer(clip: Clip) -> Response:
        etag = f'{clip.etag[:-1]}-audio"' if audio else clip.etag
        headers = {
            "ETag": etag,
            "Cache-Control": "private, no-cache",
            "Content-Type": _WAV if audio else media_type(clip),
            "X-Content-Type-Options": "nosniff",
        }
        # Before anything is opened, let alone decoded.
        if is_among(etag, etags_of(if_none_match)):
            return Response(status_code=304, headers=headers)
        stream = io.BytesIO(await clips.sound(clip)) if audio else await _opened(clip)
        wanted = asked if if_range in (None, etag) else None
        return _part(request.url.path, stream, wanted, headers)

    return await clips.using(ClipId(uid, cid), answer)


def _part(path: str, stream: BinaryIO, wanted: str | None, headers: dict[str, str]) -> Response:
    """A file, or the range of it that is wanted; the file is closed in the end."""
    size = stream.seek(0, os.SEEK_END)
    try:
        part = requested_range(wanted, size)
    except RangeNotSatisfiable:
        stream.close()
        detail = f"The file has {size:,} bytes; the range begins behind them."
        headers = {"Content-Range": f"bytes */{size}"}
        return error_response(path, 416, RANGE_NOT_SATISFIABLE, detail, headers)
    response = file_response(stream, size, part)
    response.headers.update(headers)
    return response


async def _opened(clip: Clip) -> BinaryIO:
    try:
        return await asyncio.to_thread(clip.source.open, clip)
    except LibraryUnavailable:
        raise
    except OSError as error:
        raise broken(clip) from error
