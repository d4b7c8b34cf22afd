"""Why a checkpoint cannot be had, in one line with cause and remedy.

The library's own messages run over many lines, name addresses that may be signed, and advise on
its own functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from audio_score_server.checkpoints.required import Checkpoint
from audio_score_server.errors import ModelLoadError

_ELSEWHERE: Final = (
    "run `audio-score download` on a machine with network access, or set model_id to a folder"
)
_TOKEN: Final = "set HF_TOKEN to a token that may read it"


@contextmanager
def load_errors(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn whatever the library or the disk raises into a ``ModelLoadError``."""
    try:
        yield
    except ModelLoadError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, KeyError, TypeError) as error:
        # The library raises "not in the cache" from what kept it from downloading.
        wrapped = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
        cause = wrapped if isinstance(wrapped, Exception) else error
        message = _network_error(cause, checkpoint) or _other_error(cause, checkpoint.model_id)
        raise ModelLoadError(message) from error


def _network_error(error: Exception, checkpoint: Checkpoint) -> str | None:
    name = checkpoint.model_id
    match error:
        case GatedRepoError():
            return f"{name} is gated: accept its terms on its page on the hub, and {_TOKEN}"
        case RepositoryNotFoundError():
            return (
                f"the hub has no checkpoint {name}, or it is private; correct the id, or {_TOKEN}"
            )
        case RevisionNotFoundError():
            return f"{name} has no revision {checkpoint.revision!r}; correct it, or leave it out"
        case HfHubHTTPError():
            return _status_error(error, name)
        case httpx.HTTPError() | httpx.InvalidURL():
            return f"{_host(error)} cannot be reached ({_plain(error)}); {_ELSEWHERE}"
        case OfflineModeIsEnabled():
            forbidden = "is not in the cache, and HF_HUB_OFFLINE forbids fetching it"
            return f"{name} {forbidden}; {_ELSEWHERE}"
    return None


def _status_error(error: HfHubHTTPError, name: str) -> str:
    status = error.response.status_code
    known = {
        401: "the hub does not accept the token in HF_TOKEN; renew it, or unset it",
        403: f"the hub refuses access to {name}; {_TOKEN}",
        429: "the hub has had too many requests from here; try again later, or set HF_TOKEN",
    }
    unknown = f"{_host(error)} answered {status} for {name}; try again later, or {_ELSEWHERE}"
    return known.get(status, unknown)


def _other_error(error: Exception, name: str) -> str:
    if isinstance(error, HFValidationError):
        return (
            f"{name!r} is neither a folder nor a name on the hub; correct it, or put the folder "
            "there"
        )
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return (
            f"{name} cannot be read or written: {error.strerror}{place}; check the folder's rights "
            "and the disk's free space"
        )
    if str(error).startswith("Consistency check failed"):
        return f"a file of {name} came with too few or too many bytes; try again"
    if isinstance(error, OSError) and not isinstance(error, FileMetadataError):
        return f"{name}: {_plain(error)}; try again"
    return (
        f"what answered for {name} is no model hub; check HF_ENDPOINT and whether a proxy or a "
        "log-in page is in between"
    )


def _host(error: Exception) -> str:
    try:
        return str(error.request.url.host) if isinstance(error, httpx.HTTPError) else "the hub"
    except RuntimeError:
        return "the hub"


def _plain(error: Exception) -> str:
    """An error's own words in one line, without its number."""
    words = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(error).split()))
    return words or type(error).__name__
