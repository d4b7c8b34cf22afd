"""Ways in which requests for clips, and changes of them, can fail."""

from __future__ import annotations

from typing import Final

from audio_score_server.library.errors import (
    Forbidden,
    InvalidClipMedia,
    InvalidClipName,
    LibraryReadOnly,
    LibraryUnavailable,
    PreconditionFailed,
    QuotaExceeded,
)
from audio_score_server.web.error_case import ErrorCase, case_of

RANGE_NOT_SATISFIABLE: Final = "range_not_satisfiable"
CLIP_ERROR_CASES: Final = (
    case_of(
        InvalidClipMedia,
        400,
        "The file cannot be a clip.",
        "The file cannot be a clip: no decoder finds sound in it. Put a whole recording in its "
        "place, or take it out of the folder.",
    ),
    case_of(
        LibraryReadOnly,
        403,
        "The server's clips cannot be changed by requests.",
        "Clips cannot be changed by requests here. Operators name a file of keys in "
        "AUDIO_SCORE_ADMIN_KEYS_FILE.",
    ),
    case_of(
        Forbidden,
        403,
        "The key is known, but is none with which clips may be changed.",
        "This key may not change clips. Send one of the server's admin keys.",
    ),
    case_of(
        PreconditionFailed,
        412,
        "The clip is not as `If-Match` or `If-None-Match` wants it.",
        "The clip has changed meanwhile. Get it anew and change that.",
    ),
    ErrorCase(
        416,
        RANGE_NOT_SATISFIABLE,
        "The file ends before the range that is asked for.",
        "The file has 27,860 bytes; the range begins behind them.",
    ),
    case_of(
        InvalidClipName,
        422,
        "No clip may be written under the id.",
        "The cid 'part 1' cannot be written: take up to 100 of the letters A-Z and a-z, digits, "
        "'-', '.', with a letter or digit first and no dot last.",
    ),
    case_of(
        LibraryUnavailable,
        503,
        "The clips cannot be read or written now; try again after `Retry-After`.",
        "The clip folder cannot be written (Read-only file system). Let the server's user write "
        "there.",
    ),
    case_of(
        QuotaExceeded,
        507,
        "The library is as large as it may get, or the disk is full.",
        "The library would have 10,000,000,001 bytes; it may have 10,000,000,000. Delete clips, or "
        "raise AUDIO_SCORE_MAX_LIBRARY_BYTES.",
    ),
)
"""By rising status."""
