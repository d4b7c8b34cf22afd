"""How a bucket is reached: where, and with how much patience."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

ENDPOINTS: Final = (
    *("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "GOOGLE_BASE_URL"),
    *("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
)
"""Environment variables that say where the object store is."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a bucket, in seconds.

    Attributes:
        connect_s: for a connection.
        silent_s: while nothing comes of what is to be read.
        request_s: for one try of a request; of a large object, for a part of it.
        content_s: for one try of reading a large object.
        retry_s: after so long nothing is tried once more.
        retries: most tries after the first one.
    """

    connect_s: float = 3.0
    silent_s: float = 10.0
    request_s: float = 60.0
    content_s: float = 600.0
    retry_s: float = 20.0
    retries: int = 6


def options(wait: Patience, times: Mapping[str, float]) -> dict[str, Any]:
    """What a store is opened with.

    Args:
        wait: how much patience to have.
        times: limits of time for its requests, in seconds, by the names that the library gives.
    """
    return {
        "client_options": {
            "allow_http": is_plain_http(os.environ),
            "connect_timeout": timedelta(seconds=wait.connect_s),
            **{name: timedelta(seconds=seconds) for name, seconds in times.items()},
        },
        "retry_config": {
            "backoff": {
                "init_backoff": timedelta(seconds=0.1),
                "max_backoff": timedelta(seconds=4),
            },
            "max_retries": wait.retries,
            "retry_timeout": timedelta(seconds=wait.retry_s),
        },
    }


def is_plain_http(environment: Mapping[str, str]) -> bool:
    """Whether the endpoint that the environment names is one without encryption."""
    return any(environment.get(name, "").lower().startswith("http://") for name in ENDPOINTS)


def endpoints() -> tuple[str, ...]:
    """What the environment says of where buckets are."""
    return tuple(os.environ.get(name, "") for name in ENDPOINTS)
