"""Why a checkpoint cannot be had, in one line with cause and remedy."""

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

from audio_score_server.checkpoints.wanted import Checkpoint
from audio_score_server.errors import ModelLoadError

UNREACHABLE: Final = (
    "run `audio-score download` on a machine with network access, or set model_id to a folder"
)
_TOKEN: Final = "set HF_TOKEN to a token that may read it"


@contextmanager
def explained(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn whatever the hub's client or the disk raises into a ``ModelLoadError``."""
    try:
        yield
    except ModelLoadError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(_explanation(error, checkpoint)) from error


def _explanation(error: Exception, checkpoint: Checkpoint) -> str:
    # The client raises "not in the cache" from what kept it from fetching.
    wrapped = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
    cause = wrapped if isinstance(wrapped, Exception) else error
    if isinstance(cause, HfHubHTTPError):
        return _refusal(cause, checkpoint)
    if isinstance(cause, httpx.HTTPError | httpx.InvalidURL):
        return f"{_host(cause)} cannot be reached ({_plain(cause)}); {UNREACHABLE}"
    if isinstance(cause, OfflineModeIsEnabled):
        return (
            f"{checkpoint.model_id} is not in the cache, and HF_HUB_OFFLINE forbids fetching it; "
            f"{UNREACHABLE}"
        )
    return _other(cause, checkpoint)


def _refusal(error: HfHubHTTPError, checkpoint: Checkpoint) -> str:
    """What an HTTP status means here."""
    name, status = checkpoint.model_id, error.response.status_code
    match error:
        case GatedRepoError():
            return f"{name} is gated: accept its terms on its page on the hub, and {_TOKEN}"
        case RepositoryNotFoundError():
            return (
                f"the hub has no checkpoint {name}, or it is private; correct the id, or {_TOKEN}"
            )
        case RevisionNotFoundError():
            return f"{name} has no revision {checkpoint.revision!r}; correct it, or leave it out"
    if status == 401:
        return "the hub does not accept the token in HF_TOKEN; renew it, or unset it"
    if status == 403:
        return f"the hub refuses access to {name}; {_TOKEN}"
    if status == 429:
        return "the hub has had too many requests from here; try again later, or set HF_TOKEN"
    return f"{_host(error)} answered {status} for {name}; try again later, or {UNREACHABLE}"


def _other(error: Exception, checkpoint: Checkpoint) -> str:
    if isinstance(error, HFValidationError):
        return (
            f"{checkpoint.model_id!r} is neither a folder nor a name on the hub; correct it, or "
            "put the folder there"
        )
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return f"{checkpoint.model_id} cannot be read or written: {error.strerror}{place}"
    if str(error).startswith("Consistency check failed"):
        return f"a file of {checkpoint.model_id} came with too few or too many bytes; try again"
    if isinstance(error, OSError) and not isinstance(error, FileMetadataError):
        return f"{checkpoint.model_id}: {_plain(error)}"
    return (
        f"what answered for {checkpoint.model_id} is no model hub; check HF_ENDPOINT and whether a "
        "proxy or a log-in page is in between"
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
