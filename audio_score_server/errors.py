"""Every error this package raises on purpose.

    AudioScoreError
    ├── SettingsError            a setting is misspelt, of the wrong type or out of range
    ├── ModelLoadError           a configured model cannot be loaded
    ├── NoModelError             no configured model could be loaded
    ├── BatchError               a model failed on a recording
    ├── DeviceMemoryError        the device has too little memory for a recording
    ├── RemoteError              a remote model refused, failed or answered nonsense
    ├── RemoteTimeout            a remote model did not answer in time
    ├── NotReady                 the server is starting or stopping
    ├── QueueFull                more requests are under way than may be
    ├── Unauthorized             the request bears no API key that is known
    ├── TooManyRequests          the client sends more than its rate allows
    ├── RequestTimeout           the request was not done by its deadline
    ├── UploadTimeout            the client did not send the request in time
    ├── DownloadTimeout          a recording could not be fetched from its URL in time
    ├── EvaluationError          recordings cannot be evaluated as they were given
    └── RequestError             the request cannot be served as it stands; its text is the answer
        ├── AmbiguousRequest     says a thing twice, or at two places
        ├── CapabilityUnsupported asks a model for what it cannot do
        ├── DetailUnsupported    asks for a detail of a model that gives scores alone
        ├── UnknownModel         names a model that is not loaded
        ├── UnknownClip          names a clip that is not in the library
        ├── UnknownJob           names a job that is not there, or is there no more
        ├── UnsupportedLanguage  asks for a language that the model does not know
        ├── ReferenceMissing     the clip is in the library, but its features cannot be had
        ├── UrlDisabled          gives a recording by URL, and none is taken so
        ├── UrlForbidden         gives a URL from which no recording may be fetched
        ├── DownloadFailed       gives a URL from which no recording can be had
        └── AudioError           the recording cannot be used
            ├── EmptyAudio
            ├── UndecodableAudio
            ├── SilentAudio
            ├── TooShortAudio
            ├── TooLongAudio
            └── TooLargeAudio

Texts are written for the person who caused them: they name the cause and the remedy. Codes are
stable, for programs.
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

_LONGEST_NAME: Final = 80


def shortened(name: str) -> str:
    """A name as an error repeats it: a client's megabyte is not sent back."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."


class AudioScoreError(Exception):
    """Base of every error raised on purpose."""

    code: ClassVar[str] = "internal_error"


class SettingsError(AudioScoreError):
    """A setting is misspelt, of the wrong type or out of range."""

    code: ClassVar[str] = "invalid_settings"


class ModelLoadError(AudioScoreError):
    """A configured model cannot be loaded."""

    code: ClassVar[str] = "model_load_failed"


class NoModelError(AudioScoreError):
    """No configured model could be loaded."""

    code: ClassVar[str] = "no_model"


class BatchError(AudioScoreError):
    """A model failed on a recording."""

    code: ClassVar[str] = "model_failed"


class DeviceMemoryError(AudioScoreError):
    """The device has too little memory for a recording, even alone."""

    code: ClassVar[str] = "out_of_device_memory"


class RemoteError(AudioScoreError):
    """A remote model refused, failed or answered nonsense."""

    code: ClassVar[str] = "remote_model_failed"


class RemoteTimeout(AudioScoreError):
    """A remote model did not answer in time."""

    code: ClassVar[str] = "remote_model_timeout"


class NotReady(AudioScoreError):
    """The server is starting or stopping."""

    code: ClassVar[str] = "not_ready"


class QueueFull(AudioScoreError):
    """More requests are under way than may be."""

    code: ClassVar[str] = "overloaded"

    def __init__(self, count: int, retry_after_s: float) -> None:
        """``retry_after_s``: when there is likely to be room."""
        self.retry_after_s = retry_after_s
        super().__init__(
            f"The server is busy: {count} requests are under way. Try again in "
            f"{max(1, math.ceil(retry_after_s))} s."
        )


class Unauthorized(AudioScoreError):
    """The request bears no API key that is known."""

    code: ClassVar[str] = "unauthorized"


class TooManyRequests(AudioScoreError):
    """The client sends more than its rate allows."""

    code: ClassVar[str] = "rate_limited"

    def __init__(self, per_minute: int, retry_after_s: float) -> None:
        """``retry_after_s``: when the client may send the next."""
        self.retry_after_s = retry_after_s
        super().__init__(
            f"At most {per_minute} requests a minute are taken from one client. Try again in "
            f"{max(1, math.ceil(retry_after_s))} s."
        )


class RequestTimeout(AudioScoreError):
    """The request was not done by its deadline."""

    code: ClassVar[str] = "request_timeout"


class UploadTimeout(AudioScoreError):
    """The client did not send the request in time."""

    code: ClassVar[str] = "upload_timeout"


class DownloadTimeout(AudioScoreError):
    """A recording could not be fetched from its URL in time."""

    code: ClassVar[str] = "download_timeout"


class EvaluationError(AudioScoreError):
    """Recordings cannot be evaluated as they were given."""

    code: ClassVar[str] = "evaluation_failed"


class RequestError(AudioScoreError):
    """The request cannot be served as it stands."""

    code: ClassVar[str] = "invalid_request"


class AmbiguousRequest(RequestError):
    """The request says a thing twice, or at two places."""

    code: ClassVar[str] = "ambiguous_request"


class DetailUnsupported(RequestError):
    """The request asks for a detail, and the model gives scores alone."""

    code: ClassVar[str] = "detail_unsupported"


class CapabilityUnsupported(RequestError):
    """The request asks a model for what it cannot do."""

    code: ClassVar[str] = "capability_unsupported"


class UnknownModel(RequestError):
    """The request names a model that is not loaded."""

    code: ClassVar[str] = "unknown_model"


class UnknownClip(RequestError):
    """The request names a clip that is not in the library."""

    code: ClassVar[str] = "unknown_clip"


class UnknownJob(RequestError):
    """The request names a job that is not there, or is there no more."""

    code: ClassVar[str] = "unknown_job"


class UnsupportedLanguage(RequestError):
    """The request asks for a language that the model does not know."""

    code: ClassVar[str] = "unsupported_language"


class ReferenceMissing(RequestError):
    """The clip is in the library, but its reference features cannot be had."""

    code: ClassVar[str] = "broken_clip"


class UrlDisabled(RequestError):
    """The request gives a recording by URL, and none is taken so."""

    code: ClassVar[str] = "url_disabled"


class UrlForbidden(RequestError):
    """The request gives a URL from which no recording may be fetched."""

    code: ClassVar[str] = "url_forbidden"


class DownloadFailed(RequestError):
    """The request gives a URL from which no recording can be had."""

    code: ClassVar[str] = "download_failed"


class AudioError(RequestError):
    """The recording cannot be used."""

    code: ClassVar[str] = "unusable_audio"


class EmptyAudio(AudioError):
    """No bytes at all."""

    code: ClassVar[str] = "audio_empty"


class UndecodableAudio(AudioError):
    """Bytes that no decoder takes for a recording."""

    code: ClassVar[str] = "audio_undecodable"


class SilentAudio(AudioError):
    """A clip in which nothing can be heard; a silent recording is scored."""

    code: ClassVar[str] = "audio_silent"


class TooShortAudio(AudioError):
    """Less sound than the shortest scorable recording."""

    code: ClassVar[str] = "audio_too_short"


class TooLongAudio(AudioError):
    """More sound than the limit allows."""

    code: ClassVar[str] = "audio_too_long"


class TooLargeAudio(AudioError):
    """More bytes than the limit allows."""

    code: ClassVar[str] = "upload_too_large"
