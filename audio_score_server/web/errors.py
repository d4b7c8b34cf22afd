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
_FAILED: Final = "The model failed on this recording; the server's log says more."
_NO_FILE: Final = "it must be sent as a file (with curl: -F audio=@take.wav)"
_FORM: Final = " Send uid, cid and audio (a file), and model if you like, as multipart/form-data."


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
    return _response(status, error.code, detail, fields)


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
    return _response(422, RequestError.code, f"{told}.{_FORM if fields else ''}")


def _said(message: str) -> str:
    """A problem of validation as a person would say it."""
    return _NO_FILE if "Expected UploadFile" in message else message


async def _answer_unforeseen(request: Request, error: Exception) -> JSONResponse:
    """Uvicorn logs the traceback; no middleware sees this answer."""
    headers = {"X-Request-Id": request_id.get()}
    return _response(500, INTERNAL_ERROR, "The server has a fault; its log says more.", headers)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError):
        return _answer_unkept(error.__cause__)
    code, detail = MALFORMED_REQUEST, error.detail
    if error.status_code == 404:
        code = NOT_FOUND
        detail = f"There is nothing at {request.url.path}; /docs lists the addresses."
    if error.status_code == 405:
        code = METHOD_NOT_ALLOWED
        detail = f"{request.url.path} does not take {request.method}; /docs lists what it takes."
    return _response(error.status_code, code, detail, error.headers)


def _response(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"detail": detail, "code": code}, status, headers)


def _answer_unkept(error: OSError) -> JSONResponse:
    """FastAPI takes whatever keeps an upload from being kept for the client's mistake."""
    reason = error.strerror or str(error)
    _LOG.error("An upload could not be kept in the folder for temporary files: %s.", reason)
    return answer_of(NotReady(f"The server cannot keep uploads: {reason}. Try again later."))
