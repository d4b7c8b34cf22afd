"""Every way in which a request can fail: status, code, and words for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audio_score_server.errors import (
    AmbiguousRequest,
    AudioScoreError,
    BatchError,
    CapabilityUnsupported,
    DetailUnsupported,
    DeviceMemoryError,
    DownloadFailed,
    DownloadTimeout,
    EmptyAudio,
    NotReady,
    QueueFull,
    ReferenceMissing,
    RemoteError,
    RemoteTimeout,
    RequestError,
    RequestTimeout,
    TooLargeAudio,
    TooLongAudio,
    TooManyRequests,
    TooShortAudio,
    Unauthorized,
    UndecodableAudio,
    UnknownClip,
    UnknownJob,
    UnknownModel,
    UnsupportedLanguage,
    UploadTimeout,
    UrlDisabled,
    UrlForbidden,
)


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """One way in which a request can fail.

    Attributes:
        status: of HTTP.
        code: stable, for programs.
        when: it happens, for people.
        example: of ``detail``.
    """

    status: int
    code: str
    when: str
    example: str


def _case(error: type[AudioScoreError], status: int, when: str, example: str) -> ErrorCase:
    return ErrorCase(status, error.code, when, example)


MALFORMED_REQUEST: Final = "malformed_request"
NOT_FOUND: Final = "not_found"
METHOD_NOT_ALLOWED: Final = "method_not_allowed"
INTERNAL_ERROR: Final = "internal_error"
ERROR_CASES: Final = (
    _case(
        EmptyAudio,
        400,
        "The recording has no bytes.",
        "The recording is empty. Record again and send the whole file.",
    ),
    _case(
        UndecodableAudio,
        400,
        "No decoder finds a recording in the bytes.",
        "The recording cannot be decoded. Record again and send the whole file.",
    ),
    _case(
        TooShortAudio,
        400,
        "The recording holds too little sound.",
        "The recording is too short: 0.10 s of sound, at least 0.2 s are needed.",
    ),
    _case(
        UnknownModel,
        400,
        "The model is not loaded.",
        "Model 'whisper-huge' is not loaded; loaded are: phones, whisper-base.",
    ),
    _case(
        CapabilityUnsupported,
        400,
        "The model cannot do what is asked.",
        "Model 'voice' cannot score; these can: phones.",
    ),
    _case(
        UnsupportedLanguage,
        400,
        "The model does not know the language.",
        "Model 'whisper-tiny.en' does not know the language 'fr'; it knows: en.",
    ),
    _case(
        DetailUnsupported,
        400,
        "The model gives scores alone, and a detail is asked for.",
        "Model 'higgs' gives numbers and no reasons. Leave out the field detail, or name another "
        "model.",
    ),
    _case(
        UrlForbidden,
        400,
        "The URL, or one that it redirects to, is not one to fetch recordings from.",
        "The URL's host has an address that is not public. Upload the recording itself.",
    ),
    ErrorCase(
        400,
        MALFORMED_REQUEST,
        "The body is no form.",
        "There was an error parsing the body.",
    ),
    _case(
        Unauthorized,
        401,
        "The server asks for an API key, and the request bears none that it knows.",
        "An API key is needed. Send it as 'Authorization: Bearer KEY'.",
    ),
    _case(
        UrlDisabled,
        403,
        "The server fetches no recordings by URL.",
        "Recordings by URL are switched off. Upload the recording itself; operators name the hosts "
        "to take recordings from in AUDIO_SCORE_TRANSCRIBE_URL_HOSTS.",
    ),
    _case(
        UnknownClip,
        404,
        "There is no such video or clip.",
        "Video 'RiverTales-s01e01' has no clip 'part09'; it has part01, part02, part03.",
    ),
    _case(
        UnknownJob,
        404,
        "There is no such job, or it is there no more.",
        "There is no job 'f3a1'. Jobs are kept for 24 hours after they end.",
    ),
    ErrorCase(
        404,
        NOT_FOUND,
        "There is nothing at the address.",
        "There is nothing at /scores; /docs lists the addresses.",
    ),
    ErrorCase(
        405,
        METHOD_NOT_ALLOWED,
        "The address does not take the method.",
        "/score does not take GET; /docs lists what it takes.",
    ),
    _case(
        UploadTimeout,
        408,
        "The upload stalled, or was not done in time.",
        "The upload has stalled: nothing came for 30 s. Send it again, over a steadier connection, "
        "or raise AUDIO_SCORE_UPLOAD_IDLE_TIMEOUT_S.",
    ),
    _case(
        TooLargeAudio,
        413,
        "The upload has too many bytes.",
        "The upload is too large: at most 20,000,000 bytes are taken. Send a compressed format "
        "such as MP3 or WebM, or raise AUDIO_SCORE_MAX_UPLOAD_BYTES.",
    ),
    _case(
        TooLongAudio,
        413,
        "The recording holds too much sound.",
        "The recording is too long: more than 120 s. Send the one line that the clip holds, or "
        "raise AUDIO_SCORE_MAX_AUDIO_SECONDS.",
    ),
    _case(
        RequestError,
        422,
        "A form field is missing, or one or a header is wrong.",
        "field 'cid': Field required. Send uid, cid and audio (a file), and model if you like, as "
        "multipart/form-data.",
    ),
    _case(
        AmbiguousRequest,
        422,
        "A form field is there twice, or in the address.",
        "The field 'uid' is there more than once. Send it once.",
    ),
    # Not 502, which has clients and proxies try again: what a URL leads to is the client's choice.
    _case(
        DownloadFailed,
        422,
        "No recording can be fetched from the URL.",
        "The recording cannot be downloaded: the URL's host answered HTTP 404. Check that the URL "
        "leads to the recording itself, without signing in.",
    ),
    _case(
        TooManyRequests,
        429,
        "The client sends more than its rate allows; try again after `Retry-After`.",
        "At most 60 requests a minute are taken from one client. Try again in 1 s.",
    ),
    _case(
        BatchError,
        500,
        "The model failed on this recording.",
        "The model failed on this recording; the server's log says more.",
    ),
    _case(
        ReferenceMissing,
        500,
        "The clip on the server is broken.",
        "Clip RiverTales-s01e01_part01 is broken on the server: no recording can be compared with "
        "it. The server's log says why.",
    ),
    ErrorCase(
        500,
        INTERNAL_ERROR,
        "The server has a fault.",
        "The server has a fault; its log says more.",
    ),
    _case(
        RemoteError,
        502,
        "A remote model refused, failed or answered nonsense.",
        "api.example.org answered 429: rate limit reached. Try again later.",
    ),
    _case(
        NotReady,
        503,
        "The server is starting or stopping; try again after `Retry-After`.",
        "The server is starting. Try again shortly.",
    ),
    _case(
        QueueFull,
        503,
        "The server is busy; try again after `Retry-After`.",
        "The server is busy: 64 requests are under way. Try again in 2 s.",
    ),
    _case(
        RequestTimeout,
        504,
        "The request was not done in time.",
        "The request was not done within 60 s. Try again later, or allow more.",
    ),
    _case(
        RemoteTimeout,
        504,
        "A remote model was not done in time.",
        "api.example.org did not answer within 30 s. Try again later.",
    ),
    _case(
        DownloadTimeout,
        504,
        "The recording was not fetched from the URL in time.",
        "The recording was not downloaded within 60 s. Try again later, or upload the recording "
        "itself.",
    ),
    # Not 503, which has a proxy try elsewhere: what does not fit here alone, fits nowhere.
    _case(
        DeviceMemoryError,
        507,
        "The model's device has too little memory for this recording, even alone.",
        "The model's device has too little memory for this recording. Try again later, or send a "
        "shorter one.",
    ),
)
"""All there are, by rising status."""


def status_of(error: AudioScoreError) -> int:
    """HTTP status of an error; 500 of one that no request should meet."""
    return next((case.status for case in ERROR_CASES if case.code == error.code), 500)
