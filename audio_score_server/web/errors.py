"""Every error as ``{"detail": text}`` with its status."""

from __future__ import annotations

import logging
import math
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from audio_score_server.errors import (
    AmbiguousRequest,
    AudioError,
    AudioScoreError,
    BatchError,
    DetailUnsupported,
    DeviceMemoryError,
    NotReady,
    QueueFull,
    ReferenceMissing,
    RemoteError,
    RemoteTimeout,
    RequestTimeout,
    TooLargeAudio,
    TooLongAudio,
    TooManyRequests,
    Unauthorized,
    UnknownClip,
    UnknownModel,
    UploadTimeout,
)
from audio_score_server.telemetry.request_id import request_id
from audio_score_server.web.schemas import ErrorResponse

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S: Final = 2
_FAILED: Final = "The model failed on this recording; the server's log says more."
_NO_FILE: Final = "it must be sent as a file (with curl: -F audio=@take.wav)"
_FORM: Final = " Send uid, cid and audio (a file), and model if you like, as multipart/form-data."
_STATUS: Final[dict[type[AudioScoreError], int]] = {
    UnknownModel: 400,
    DetailUnsupported: 400,
    AudioError: 400,
    Unauthorized: 401,
    UnknownClip: 404,
    UploadTimeout: 408,
    ReferenceMissing: 500,
    TooLongAudio: 413,
    TooLargeAudio: 413,
    AmbiguousRequest: 422,
    TooManyRequests: 429,
    BatchError: 500,
    RemoteError: 502,
    NotReady: 503,
    QueueFull: 503,
    RemoteTimeout: 504,
    RequestTimeout: 504,
    # Not 503, which has a proxy try elsewhere: what does not fit here alone, fits nowhere.
    DeviceMemoryError: 507,
}
_SCORE_ERRORS: Final = (
    (
        400,
        "The model is not loaded, or the recording is empty, undecodable or too short.",
        "The recording is too short: 0.10 s of sound, at least 0.2 s are needed.",
    ),
    (
        401,
        "The server asks for an API key, and the request bears none that it knows.",
        "An API key is needed. Send it as 'Authorization: Bearer KEY'.",
    ),
    (
        404,
        "There is no such video or clip.",
        "Video 'RiverTales-s01e01' has no clip 'part09'; it has part01, part02, part03.",
    ),
    (
        408,
        "The upload stalled, or was not done in time.",
        "The upload has stalled: nothing came for 30 s. Send it again, over a steadier connection, "
        "or raise AUDIO_SCORE_UPLOAD_IDLE_TIMEOUT_S.",
    ),
    (
        413,
        "The upload is too large, or the recording too long.",
        "The recording is too long: more than 120 s. Send the one line that the clip holds, or "
        "raise AUDIO_SCORE_MAX_AUDIO_SECONDS.",
    ),
    (
        422,
        "A form field is missing, there twice or in the address, or a header is wrong.",
        "field 'cid': Field required. Send uid, cid and audio (a file), and model if you like, as "
        "multipart/form-data.",
    ),
    (
        429,
        "The client sends more than its rate allows; try again after `Retry-After`.",
        "At most 60 requests a minute are taken from one client. Try again in 1 s.",
    ),
    (
        500,
        "The model failed on this recording, or the clip on the server is broken.",
        "The model failed on this recording; the server's log says more.",
    ),
    (
        502,
        "A remote model refused, failed or answered nonsense.",
        "api.example.org answered 429: rate limit reached. Try again later.",
    ),
    (
        503,
        "The server is starting, stopping or busy; try again after `Retry-After`.",
        "The server is busy: 64 requests are under way. Try again in 2 s.",
    ),
    (
        504,
        "The request, or the remote model that it needs, was not done in time.",
        "The request was not done within 60 s. Try again later, or allow more.",
    ),
    (
        507,
        "The model's device has too little memory for this recording, even alone.",
        "The model's device has too little memory for this recording. Try again later, or send a "
        "shorter one.",
    ),
)
SCORE_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "model": ErrorResponse,
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


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of the package and of the framework in one form."""
    app.add_exception_handler(AudioScoreError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unforeseen)


async def _answer_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AudioScoreError)
    status = status_of(error)
    # Of a broken clip the log has told when it was found to be.
    if status == 500 and not isinstance(error, ReferenceMissing):
        _LOG.error("%s %s failed: %s", request.method, request.url.path, error, exc_info=error)
    return answer_of(error)


def answer_of(error: AudioScoreError, **headers: str) -> JSONResponse:
    """The answer that tells of an error; in names of further headers, ``_`` stands for ``-``."""
    status = status_of(error)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if status == 401:
        fields["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        fields["Retry-After"] = str(max(1, math.ceil(_wait_s(error))))
    # What broke is the operator's; whoever sent the recording can do nothing about it.
    detail = _FAILED if isinstance(error, BatchError) else str(error)
    return JSONResponse({"detail": detail}, status, fields)


def _wait_s(error: AudioScoreError) -> float:
    return error.retry_after_s if isinstance(error, QueueFull | TooManyRequests) else _RETRY_AFTER_S


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [(problem["loc"], _said(problem["msg"])) for problem in error.errors()]
    told = "; ".join(
        f"{'header' if place == 'header' else 'field'} {'.'.join(map(str, parts))!r}: {message}"
        for (place, *parts), message in problems
    )
    fields = any(place != "header" for (place, *_), _ in problems)
    return JSONResponse({"detail": f"{told}.{_FORM if fields else ''}"}, 422)


def _said(message: str) -> str:
    """A problem of validation as a person would say it."""
    return _NO_FILE if "Expected UploadFile" in message else message


async def _answer_unforeseen(request: Request, error: Exception) -> JSONResponse:
    """Uvicorn logs the traceback; no middleware sees this answer."""
    headers = {"X-Request-Id": request_id.get()}
    return JSONResponse({"detail": "The server has a fault; its log says more."}, 500, headers)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError):
        return _answer_unkept(error.__cause__)
    detail = error.detail
    if error.status_code == 404:
        detail = f"There is nothing at {request.url.path}; /docs lists the addresses."
    if error.status_code == 405:
        detail = f"{request.url.path} does not take {request.method}; /docs lists what it takes."
    return JSONResponse({"detail": detail}, error.status_code, error.headers)


def _answer_unkept(error: OSError) -> JSONResponse:
    """FastAPI takes whatever keeps an upload from being kept for the client's mistake."""
    reason = error.strerror or str(error)
    _LOG.error("An upload could not be kept in the folder for temporary files: %s.", reason)
    return answer_of(NotReady(f"The server cannot keep uploads: {reason}. Try again later."))
