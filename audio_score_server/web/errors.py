"""Every error as ``{"detail": text, "code": word}`` with its status."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from audio_score_server.errors import (
    AudioScoreError,
    BatchError,
    NotReady,
    QueueFull,
    ReferenceMissing,
    RequestError,
    TooManyRequests,
)
from audio_score_server.paths import CLIPS_PREFIX, SCORE_PATHS
from audio_score_server.telemetry.logs import request_id
from audio_score_server.web.error_cases import (
    INTERNAL_ERROR,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    status_of,
)

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S: Final = 2
_OPENAI: Final = "/v1/"
_FAILED: Final = "The model failed on this recording; the server's log says more."
_NO_FILE: Final = "it must be sent as a file (with curl: -F {name}=@take.wav)"
_FORMS: Final = {
    **dict.fromkeys(
        SCORE_PATHS,
        " Send uid, cid and audio (a file), and model if you like, as multipart/form-data.",
    ),
    "/scores": " Send audio (a file, or several), clip (uid/cid, or several, or none), and model, "
    "uid and limit if you like, as multipart/form-data.",
    **dict.fromkeys(
        ("/transcribe", "/transcribe/"),
        " Send audio (a file), and language and model if you like, as multipart/form-data.",
    ),
    "/v1/audio/transcriptions": " Send file and model, as multipart/form-data.",
    CLIPS_PREFIX: " Send media (a file) and text, if there is one, as multipart/form-data.",
    "/transcribe-url": " Send url, and language and model if you like, as application/json.",
}
"""What to send where."""


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
    return answer_of(error, request.url.path)


def answer_of(error: AudioScoreError, path: str, **headers: str) -> JSONResponse:
    """The answer that tells of an error; in names of further headers, ``_`` stands for ``-``."""
    status = status_of(error)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if status == 401:
        fields["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        fields["Retry-After"] = str(max(1, math.ceil(_wait_s(error))))
    # What broke is the operator's; whoever sent the recording can do nothing about it.
    detail = _FAILED if isinstance(error, BatchError) else str(error)
    return error_response(path, status, error.code, detail, fields)


def _wait_s(error: AudioScoreError) -> float:
    return error.retry_after_s if isinstance(error, QueueFull | TooManyRequests) else _RETRY_AFTER_S


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        (problem["loc"], _said(str(problem["loc"][-1]), problem["msg"]))
        for problem in error.errors()
    ]
    told = "; ".join(
        f"{'header' if place == 'header' else 'field'} {'.'.join(map(str, parts))!r}: {message}"
        for (place, *parts), message in problems
    )
    fields = any(place != "header" for (place, *_), _ in problems)
    path, method = request.url.path, request.method
    put = path.startswith(CLIPS_PREFIX) and method == "PUT"
    form = _FORMS.get(CLIPS_PREFIX if put else path, "") if fields else ""
    return error_response(request.url.path, 422, RequestError.code, f"{told}.{form}")


def _said(name: str, message: str) -> str:
    """A field's problem as a person would say it."""
    return _NO_FILE.format(name=name) if "Expected UploadFile" in message else message


async def _answer_unforeseen(request: Request, error: Exception) -> JSONResponse:
    """Uvicorn logs the traceback; no middleware sees this answer."""
    headers = {"X-Request-Id": request_id.get()}
    return error_response(
        request.url.path, 500, INTERNAL_ERROR, "The server has a fault; its log says more.", headers
    )


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError):
        return _answer_unkept(error.__cause__, request.url.path)
    code, detail = MALFORMED_REQUEST, error.detail
    if error.status_code == 404:
        code = NOT_FOUND
        detail = f"There is nothing at {request.url.path}; /docs lists the addresses."
    if error.status_code == 405:
        code = METHOD_NOT_ALLOWED
        detail = f"{request.url.path} does not take {request.method}; /docs lists what it takes."
    return error_response(request.url.path, error.status_code, code, detail, error.headers)


def error_response(
    path: str, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An answer that tells of an error, in the form of its address."""
    content: dict[str, object] = {"detail": detail, "code": code}
    if path.startswith(_OPENAI):
        # Clients of OpenAI's API look for it there.
        content["error"] = {"message": detail, "type": code, "param": None, "code": code}
    return JSONResponse(content, status, headers)


def _answer_unkept(error: OSError, path: str) -> JSONResponse:
    """FastAPI takes whatever keeps an upload from being kept for the client's mistake."""
    return answer_of(unkept(error), path)


def unkept(error: OSError) -> NotReady:
    """The error that tells that an upload could not be kept, which is logged."""
    reason = error.strerror or str(error)
    _LOG.error("An upload could not be kept: %s.", reason)
    return NotReady(f"The server cannot keep uploads: {reason}. Try again later.")
