"""Every way in which a request can fail: status, code, and words for people."""

from __future__ import annotations

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
from audio_score_server.web.clip_error_cases import CLIP_ERROR_CASES
from audio_score_server.web.error_case import ErrorCase, case_of

MALFORMED_REQUEST: Final = "malformed_request"
NOT_FOUND: Final = "not_found"
METHOD_NOT_ALLOWED: Final = "method_not_allowed"
INTERNAL_ERROR: Final = "internal_error"
_CASES: Final = (
    case_of(
        EmptyAudio,
        400,
        "The recording has no bytes.",
        "The recording is empty. Record again and send the whole file.",
    ),
    case_of(
        UndecodableAudio,
        400,
        "No decoder finds a recording in the bytes.",
        "The recording cannot be decoded. Record again and send the whole file.",
    ),
    case_of(
        TooShortAudio,
        400,
        "The recording holds too little sound.",
        "The recording is too short: 0.10 s of sound, at least 0.2 s are needed.",
    ),
    case_of(
        UnknownModel,
        400,
        "The model is not loaded.",
        "Model 'whisper-huge' is not loaded; loaded are: phones, whisper-base.",
    ),
    case_of(
        CapabilityUnsupported,
        400,
        "The model cannot do what is asked.",
        "Model 'voice' cannot score; these can: phones.",
    ),
    case_of(
        UnsupportedLanguage,
        400,
        "The model does not know the language.",
        "Model 'whisper-tiny.en' does not know the language 'fr'; it knows: en.",
    ),
    case_of(
        DetailUnsupported,
        400,
        "The model gives scores alone, and a detail is asked for.",
        "Model 'higgs' gives numbers and no reasons. Leave out the field detail, or name another "
        "model.",
    ),
    case_of(
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
    case_of(
        Unauthorized,
        401,
        "The server asks for an API key, and the request bears none that it knows.",
        "An API key is needed. Send it as 'Authorization: Bearer KEY'.",
    ),
    case_of(
        UrlDisabled,
        403,
        "The server fetches no recordings by URL.",
        "Recordings by URL are switched off. Upload the recording itself; operators name the hosts "
        "to take recordings from in AUDIO_SCORE_TRANSCRIBE_URL_HOSTS.",
    ),
    case_of(
        UnknownClip,
        404,
        "There is no such video or clip.",
        "Video 'RiverTales-s01e01' has no clip 'part09'; it has part01, part02, part03.",
    ),
    case_of(
        UnknownJob,
        404,
        "There is no such job, or it is there no more.",
        "There is no job 'f3a1'. Jobs are kept for 24 hours after they end.",
    ),
    ErrorCase(
        404,
        NOT_FOUND,
        "There is nothing at the address.",
        "There is nothing at /scored; /docs lists the addresses.",
    ),
    ErrorCase(
        405,
        METHOD_NOT_ALLOWED,
        "The address does not take the method.",
        "/score does not take GET; /docs lists what it takes.",
    ),
    case_of(
        UploadTimeout,
        408,
        "The upload stalled, or was not done in time.",
        "The upload has stalled: nothing came for 30 s. Send it again, over a steadier connection, "
        "or raise AUDIO_SCORE_UPLOAD_IDLE_TIMEOUT_S.",
    ),
    case_of(
        TooLargeAudio,
        413,
        "The upload has too many bytes.",
        "The upload is too large: at most 20,000,000 bytes are taken. Send a compressed format "
        "such as MP3 or WebM, or raise AUDIO_SCORE_MAX_UPLOAD_BYTES.",
    ),
    case_of(
        TooLongAudio,
        413,
        "The recording holds too much sound.",
        "The recording is too long: more than 120 s. Send the one line that the clip holds, or "
        "raise AUDIO_SCORE_MAX_AUDIO_SECONDS.",
    ),
    case_of(
        RequestError,
        422,
        "A form field is missing, or one or a header is wrong.",
        "field 'cid': Field required. Send uid, cid and audio (a file), and model if you like, as "
        "multipart/form-data.",
    ),
    case_of(
        AmbiguousRequest,
        422,
        "A form field is there twice, or in the address.",
        "The field 'uid' is there more than once. Send it once.",
    ),
    # Not 502, which has clients and proxies try again: what a URL leads to is the client's choice.
    case_of(
        DownloadFailed,
        422,
        "No recording can be fetched from the URL.",
        "The recording cannot be downloaded: the URL's host answered HTTP 404. Check that the URL "
        "leads to the recording itself, without signing in.",
    ),
    case_of(
        TooManyRequests,
        429,
        "The client sends more than its rate allows; try again after `Retry-After`.",
        "At most 60 requests a minute are taken from one client. Try again in 1 s.",
    ),
    case_of(
        BatchError,
        500,
        "The model failed on this recording.",
        "The model failed on this recording; the server's log says more.",
    ),
    case_of(
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
    case_of(
        RemoteError,
        502,
        "A remote model refused, failed or answered nonsense.",
        "api.example.org answered 429: rate limit reached. Try again later.",
    ),
    case_of(
        NotReady,
        503,
        "The server is starting or stopping; try again after `Retry-After`.",
        "The server is starting. Try again shortly.",
    ),
    case_of(
        QueueFull,
        503,
        "The server is busy; try again after `Retry-After`.",
        "The server is busy: 64 requests are under way. Try again in 2 s.",
    ),
    case_of(
        RequestTimeout,
        504,
        "The request was not done in time.",
        "The request was not done within 60 s. Try again later, or allow more.",
    ),
    case_of(
        RemoteTimeout,
        504,
        "A remote model was not done in time.",
        "api.example.org did not answer within 30 s. Try again later.",
    ),
    case_of(
        DownloadTimeout,
        504,
        "The recording was not fetched from the URL in time.",
        "The recording was not downloaded within 60 s. Try again later, or upload the recording "
        "itself.",
    ),
    # Not 503, which has a proxy try elsewhere: what does not fit here alone, fits nowhere.
    case_of(
        DeviceMemoryError,
        507,
        "The model's device has too little memory for this recording, even alone.",
        "The model's device has too little memory for this recording. Try again later, or send a "
        "shorter one.",
    ),
)
ERROR_CASES: Final = tuple(sorted((*_CASES, *CLIP_ERROR_CASES), key=lambda case: case.status))
"""All there are, by rising status."""


def status_of(error: AudioScoreError) -> int:
    """HTTP status of an error; 500 of one that no request should meet."""
    return next((case.status for case in ERROR_CASES if case.code == error.code), 500)
