"""Errors as the documentation of a route shows them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from audio_score_server.errors import (
    BatchError,
    CapabilityUnsupported,
    DetailUnsupported,
    DeviceMemoryError,
    DownloadFailed,
    DownloadTimeout,
    EmptyAudio,
    RemoteError,
    RemoteTimeout,
    RequestTimeout,
    TooLongAudio,
    TooManyRequests,
    TooShortAudio,
    UndecodableAudio,
    UnknownJob,
    UnknownModel,
    UnsupportedLanguage,
    UrlDisabled,
    UrlForbidden,
)
from audio_score_server.library.errors import LibraryUnavailable
from audio_score_server.web.clip_error_cases import CLIP_ERROR_CASES
from audio_score_server.web.error_case import ErrorCase
from audio_score_server.web.error_cases import ERROR_CASES
from audio_score_server.web.schemas import ErrorResponse

_OF_FETCHING: Final = frozenset(
    error.code for error in (UrlDisabled, UrlForbidden, DownloadFailed, DownloadTimeout)
)
_OF_TRANSCRIPTION: Final = frozenset(error.code for error in (UnsupportedLanguage, UnknownJob))
_OF_CLIPS: Final = frozenset(case.code for case in CLIP_ERROR_CASES)
_OF_RECORDINGS: Final = frozenset(
    error.code
    for error in (
        *(EmptyAudio, UndecodableAudio, TooShortAudio, TooLongAudio, DetailUnsupported),
        *(UnknownModel, CapabilityUnsupported, BatchError, DeviceMemoryError, RequestTimeout),
        *(RemoteError, RemoteTimeout, TooManyRequests),
    )
)
TRANSCRIPTION_CASES: Final = tuple(
    case for case in ERROR_CASES if case.code not in _OF_FETCHING | _OF_CLIPS
)
"""What can happen to a request for a transcript of an uploaded recording."""
FETCHING_CASES: Final = tuple(case for case in ERROR_CASES if case.code not in _OF_CLIPS)
"""What can happen to one for a transcript of a recording by URL."""
SCORE_CASES: Final = tuple(
    case
    for case in ERROR_CASES
    if case.code not in (_OF_FETCHING | _OF_TRANSCRIPTION | _OF_CLIPS) - {LibraryUnavailable.code}
)
"""What can happen to a request for a score."""
CLIP_CASES: Final = tuple(
    case
    for case in ERROR_CASES
    if case.code not in _OF_FETCHING | _OF_TRANSCRIPTION | _OF_RECORDINGS
)
"""What can happen to a request for clips, or for a change of them."""


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
