"""Every error as ``{"detail": text}`` with its status."""

from __future__ import annotations

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from audio_score_server.errors import (
    AudioError,
    AudioScoreError,
    BatchError,
    DeviceMemoryError,
    NotReady,
    ReferenceMissing,
    RemoteError,
    RemoteTimeout,
    TooLargeAudio,
    TooLongAudio,
    UnknownClip,
    UnknownModel,
)
from audio_score_server.web.schemas import ErrorAnswer

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S: Final = "2"
_STATUS: Final[dict[type[AudioScoreError], int]] = {
    UnknownModel: 400,
    AudioError: 400,
    UnknownClip: 404,
    ReferenceMissing: 404,
    TooLongAudio: 413,
    TooLargeAudio: 413,
    BatchError: 500,
    RemoteError: 502,
    NotReady: 503,
    DeviceMemoryError: 503,
    RemoteTimeout: 504,
}
_SCORE_ERRORS: Final = (
    (
        400,
        "The model is not loaded, or the recording is empty, undecodable or too short.",
        "The recording is too short: 0.10 s of sound, at least 0.2 s are needed.",
    ),
    (
        404,
        "There is no such video or clip, or the clip itself cannot be read.",
        "Video 'RiverTales-s01e01' has no clip 'part09'; it has part01, part02, part03.",
    ),
    (
        413,
        "The upload is too large, or the recording too long.",
        "The recording is too long: more than 120 s. Send the one line that the clip holds, or "
        "raise AUDIO_SCORE_MAX_AUDIO_SECONDS.",
    ),
    (
        422,
        "A form field is missing.",
        "field 'cid': Field required. Send uid, cid and audio (a file), and model if you like, as "
        "multipart/form-data.",
    ),
    (
        500,
        "The model failed on this recording.",
        "RuntimeError: out of memory",
    ),
    (
        502,
        "A remote model refused, failed or answered nonsense.",
        "api.example.org answered 429: rate limit reached. Try again later.",
    ),
    (
        503,
        "The server is starting or stopping, or the device is out of memory; try again.",
        "The server is starting. Try again shortly.",
    ),
    (
        504,
        "A remote model did not answer in time.",
        "api.example.org did not answer within 30 s. Try again later.",
    ),
)
SCORE_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "model": ErrorAnswer,
        "description": when,
        "content": {"application/json": {"example": {"detail": example}}},
    }
    for status, when, example in _SCORE_ERRORS
}
"""For the documentation: what ``POST /score`` answers when it gives no score."""


def status_of(error: AudioScoreError) -> int:
    """HTTP status of an error: that of the nearest class that has one."""
    for cls in type(error).__mro__:
        if cls in _STATUS:
            return _STATUS[cls]
    return 500


def install_error_answers(app: FastAPI) -> None:
    """Answer every error of the package and of the framework in one form."""
    app.add_exception_handler(AudioScoreError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unforeseen)


async def _answer_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AudioScoreError)
    status = status_of(error)
    if status == 500:
        _LOG.error("%s %s failed: %s", request.method, request.url.path, error, exc_info=error)
    headers = {"Retry-After": _RETRY_AFTER_S} if status == 503 else None
    return JSONResponse({"detail": str(error)}, status, headers)


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        f"field {'.'.join(str(part) for part in problem['loc'][1:])!r}: {problem['msg']}"
        for problem in error.errors()
    ]
    remedy = "Send uid, cid and audio (a file), and model if you like, as multipart/form-data."
    return JSONResponse({"detail": f"{'; '.join(problems)}. {remedy}"}, 422)


async def _answer_unforeseen(request: Request, error: Exception) -> JSONResponse:
    """Uvicorn logs the traceback."""
    return JSONResponse({"detail": "The server has a fault; its log says more."}, 500)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404:
        detail = f"There is nothing at {request.url.path}; /docs lists the addresses."
    if error.status_code == 405:
        detail = f"{request.url.path} does not take {request.method}; /docs lists what it takes."
    return JSONResponse({"detail": detail}, error.status_code, error.headers)
