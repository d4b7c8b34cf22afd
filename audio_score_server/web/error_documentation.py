"""Errors as the documentation of a route shows them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from audio_score_server.errors import (
    DownloadFailed,
    DownloadTimeout,
    UnknownJob,
    UnsupportedLanguage,
    UrlDisabled,
    UrlForbidden,
)
from audio_score_server.web.error_cases import ERROR_CASES, ErrorCase
from audio_score_server.web.schemas import ErrorResponse

_OF_FETCHING: Final = frozenset(
    error.code for error in (UrlDisabled, UrlForbidden, DownloadFailed, DownloadTimeout)
)
_OF_TRANSCRIPTION: Final = frozenset(error.code for error in (UnsupportedLanguage, UnknownJob))
SCORE_CASES: Final = tuple(
    case for case in ERROR_CASES if case.code not in _OF_FETCHING | _OF_TRANSCRIPTION
)
"""What can happen to a request for a score."""
TRANSCRIPTION_CASES: Final = tuple(case for case in ERROR_CASES if case.code not in _OF_FETCHING)
"""What can happen to one for a transcript of an uploaded recording; all there are, to others."""


def documented(cases: Sequence[ErrorCase]) -> dict[int | str, dict[str, Any]]:
    """Cases as the ``responses`` of a route, for its documentation."""
    return {
        status: _response(list(same)) for status, same in groupby(cases, lambda case: case.status)
    }


def _response(cases: Sequence[ErrorCase]) -> dict[str, Any]:
    examples = {
        case.code: {
            "summary": case.when,
            "value": {"detail": case.example, "code": case.code},
        }
        for case in cases
    }
    return {
        "model": ErrorResponse,
        "description": " ".join(case.when for case in cases),
        "content": {"application/json": {"examples": examples}},
    }
