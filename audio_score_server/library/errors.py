"""What can be wrong with a library, or with what is asked of it."""

from __future__ import annotations

from typing import ClassVar

from audio_score_server.errors import AudioScoreError, RequestError


class InvalidClipName(RequestError):
    """An id under which no clip may be written."""

    code: ClassVar[str] = "invalid_clip_name"


class InvalidClipMedia(RequestError):
    """A file that cannot be a clip."""

    code: ClassVar[str] = "invalid_clip_media"


class PreconditionFailed(RequestError):
    """A clip is not in the state that a change of it depends on."""

    code: ClassVar[str] = "precondition_failed"


class LibraryReadOnly(RequestError):
    """Clips cannot be changed over HTTP."""

    code: ClassVar[str] = "library_read_only"


class Forbidden(RequestError):
    """The key is known, but not one for this."""

    code: ClassVar[str] = "forbidden"


class QuotaExceeded(AudioScoreError):
    """The library is as large as it may get, or there is no space left."""

    code: ClassVar[str] = "quota_exceeded"


class LibraryUnavailable(AudioScoreError):
    """Clips cannot be read or written now."""

    code: ClassVar[str] = "library_unavailable"


class ClipUnreadable(LibraryUnavailable, OSError):
    """A clip is known, but its file cannot be had now."""
