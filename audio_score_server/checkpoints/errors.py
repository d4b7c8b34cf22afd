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

_TOKEN: Final = "set HF_TOKEN to a token that may read it"
_ELSEWHERE: Final = (
    "run `audio-score download` on a machine with network access, or set model_id to a folder"
)
_NO_HUB: Final = (
    "what answered for {id} is no model hub; check HF_ENDPOINT and whether a proxy or a log-in "
    "page is in between"
)
_BY_TYPE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (GatedRepoError, f"{{id}} is gated: accept its terms on its page on the hub, and {_TOKEN}"),
    (
        RepositoryNotFoundError,
        f"the hub has no checkpoint {{id}}, or it is private; correct the id, or {_TOKEN}",
    ),
    (RevisionNotFoundError, "{id} has no revision {revision!r}; correct it, or leave it out"),
    (HfHubHTTPError, f"{{host}} answered {{status}} for {{id}}; try again later, or {_ELSEWHERE}"),
    (httpx.HTTPError, f"{{host}} cannot be reached ({{words}}); {_ELSEWHERE}"),
    (httpx.InvalidURL, f"{{host}} cannot be reached ({{words}}); {_ELSEWHERE}"),
    (
        OfflineModeIsEnabled,
        f"{{id}} is not in the cache, and HF_HUB_OFFLINE forbids fetching it; {_ELSEWHERE}",
    ),
    (
        HFValidationError,
        "{id!r} is neither a folder nor a name on the hub; correct it, or put the folder there",
    ),
    (FileMetadataError, _NO_HUB),
    (OSError, "{id} cannot be read or written: {words}; check the folder's rights and the disk"),
)
"""What to say of an error, by the first type that it is of."""
_BY_STATUS: Final = {
    401: "the hub does not accept the token in HF_TOKEN; renew it, or unset it",
    403: f"the hub refuses access to {{id}}; {_TOKEN}",
    429: "the hub has had too many requests from here; try again later, or set HF_TOKEN",
}
"""What to say of an HTTP status that the library has no type for."""
_WRONG_SIZE: Final = "a file of {id} came with too few or too many bytes; try again"


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
        message = _template(cause).format(
            id=checkpoint.model_id,
            revision=checkpoint.revision,
            host=_host(cause),
            status=_status(cause),
            words=_words(cause),
        )
        raise ModelLoadError(message) from error


def _template(error: Exception) -> str:
    if str(error).startswith("Consistency check failed"):  # an OSError like any other
        return _WRONG_SIZE
    kind, template = next(
        (row for row in _BY_TYPE if isinstance(error, row[0])), (Exception, _NO_HUB)
    )
    return _BY_STATUS.get(_status(error), template) if kind is HfHubHTTPError else template


def _status(error: Exception) -> int:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else 0


def _host(error: Exception) -> str:
    try:
        return str(error.request.url.host) if isinstance(error, httpx.HTTPError) else "the hub"
    except RuntimeError:  # it was made without a request
        return "the hub"


def _words(error: Exception) -> str:
    """An error's own words in one line, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    words = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(error).split()))
    return words or type(error).__name__
