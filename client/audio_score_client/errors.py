"""Every error that this package raises on purpose.

    AudioScoreClientError
    ├── ConnectionLost            no answer, or half of one
    ├── DeadlineExceeded          the time was up, here or on the server
    ├── UnexpectedAnswer          the answer is not one of an Audio Score Server
    ├── JobFailed                 a job has failed
    ├── JobCancelled              a job was cancelled
    └── AnsweredError             the server said what is wrong; by status and code
        ├── RejectedRequest       4xx: the request cannot be served as it stands
        │   ├── AudioRejected     the recording cannot be used
        │   ├── NotFound          no such clip, job or address
        │   │   ├── UnknownClip
        │   │   └── UnknownJob
        │   ├── UnknownModel
        │   ├── Unauthorized      no API key, or none that is known
        │   ├── Forbidden         the key is not one for this
        │   │   └── LibraryReadOnly
        │   ├── PreconditionFailed   the clip has changed, or is there already
        │   ├── InvalidClip       the id or the file is none for a clip
        │   └── RateLimited       too many requests
        └── ServerFault           5xx: the server cannot do it, or not now
            ├── Unavailable       it is busy, starting or stopping
            ├── QuotaExceeded     the library is full
            └── RequestTimeout    it was not done in time (a DeadlineExceeded, too)

Which class an answer has follows from its ``code``; a code that this version does not know has that
of its status.
"""

from __future__ import annotations

from typing import Final


class AudioScoreClientError(Exception):
    """Base of every error raised on purpose."""


class ConnectionLost(AudioScoreClientError):
    """The server could not be reached, or broke off before its answer was complete."""


class DeadlineExceeded(AudioScoreClientError):
    """The time was up."""


class UnexpectedAnswer(AudioScoreClientError):
    """The answer is not what an Audio Score Server answers: wrong address, or wrong version."""


class JobFailed(AudioScoreClientError):
    """A job has failed.

    Attributes:
        code: stable, for programs.
        detail: for people.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"The job has failed: {detail} ({code})")
        self.code = code
        self.detail = detail


class JobCancelled(AudioScoreClientError):
    """A job was cancelled before it had a result."""


class AnsweredError(AudioScoreClientError):
    """The server said what is wrong.

    Attributes:
        status: of HTTP; 200 where the error came amid a stream of events.
        code: stable, for programs.
        detail: what is wrong and what to do, for people.
        request_id: under which the server's log has the request; None where it told none.
        retry_after_s: seconds after which to try again; None where it told none.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        told = f", request {self.request_id}" if self.request_id else ""
        return f"{self.detail} ({self.status} {self.code}{told})"


class RejectedRequest(AnsweredError):
    """The request cannot be served as it stands."""


class AudioRejected(RejectedRequest):
    """The recording cannot be used."""


class NotFound(RejectedRequest):
    """There is no such thing."""


class UnknownClip(NotFound):
    """There is no such clip."""


class UnknownJob(NotFound):
    """There is no such job, or it is there no more."""


class UnknownModel(RejectedRequest):
    """The model is not loaded."""


class Unauthorized(RejectedRequest):
    """The server asks for an API key, and was given none that it knows."""


class Forbidden(RejectedRequest):
    """The API key is known, but not one for this."""


class LibraryReadOnly(Forbidden):
    """The server's settings let nobody change clips."""


class PreconditionFailed(RejectedRequest):
    """The clip is not in the state that the change depends on."""


class InvalidClip(RejectedRequest):
    """The id or the file is none for a clip."""


class RateLimited(RejectedRequest):
    """The client sends more than its rate allows."""


class ServerFault(AnsweredError):
    """The server cannot do it, or not now."""


class Unavailable(ServerFault):
    """The server is busy, starting or stopping."""


class QuotaExceeded(ServerFault):
    """The library is as large as it may get."""


class RequestTimeout(ServerFault, DeadlineExceeded):
    """The server was not done in time."""


_BY_CODE: Final[dict[str, type[AnsweredError]]] = {
    **dict.fromkeys(
        (
            *("audio_empty", "audio_undecodable", "audio_too_short", "audio_too_long"),
            *("audio_silent", "upload_too_large", "unusable_audio"),
        ),
        AudioRejected,
    ),
    "not_found": NotFound,
    "unknown_clip": UnknownClip,
    "unknown_job": UnknownJob,
    "unknown_model": UnknownModel,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "library_read_only": LibraryReadOnly,
    "precondition_failed": PreconditionFailed,
    "invalid_clip_name": InvalidClip,
    "invalid_clip_media": InvalidClip,
    "rate_limited": RateLimited,
    "quota_exceeded": QuotaExceeded,
    "not_ready": Unavailable,
    "overloaded": Unavailable,
    "library_unavailable": Unavailable,
    "clip_unsettled": Unavailable,
    "request_timeout": RequestTimeout,
}
_BY_STATUS: Final[dict[int, type[AnsweredError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    412: PreconditionFailed,
    429: RateLimited,
    503: Unavailable,
    504: RequestTimeout,
}


def error_class(status: int, code: str) -> type[AnsweredError]:
    """The class of an answer's error.

    Args:
        status: of HTTP; 200 of an event amid a stream.
        code: the answer's; one that is not known falls back on the status.
    """
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        return RejectedRequest
    return ServerFault if status >= 500 else AnsweredError
