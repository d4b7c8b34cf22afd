"""When a request is sent again, and how long that waits."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from audio_score_client.calls import Call
from audio_score_client.deadline import Deadline
from audio_score_client.errors import (
    AnsweredError,
    AudioScoreClientError,
    ConnectionLost,
    DeadlineExceeded,
    UnexpectedAnswer,
)
from audio_score_client.steps import Flow, Pause

_LOG: Final = logging.getLogger("audio_score_client")
_AGAIN: Final = (429, 503)
_FIRST_S: Final = 0.25
_LONGEST_S: Final = 10.0
_JITTER: Final = 0.25
"""Share by which clients that were told the same time come later."""
_LOST: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
_NOTHING_SENT: Final = (httpx.ConnectError, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a client is.

    Attributes:
        timeout_s: longest time for an operation, all tries together; ``math.inf`` for no limit.
        retries: most times that a request is sent again.
    """

    timeout_s: float
    retries: int

    def __post_init__(self) -> None:
        Deadline(self.timeout_s)
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}; give 0 or more.")

    def attempts(self, timeout_s: float | None = None) -> Attempts:
        """The tries of an operation that begins now; ``timeout_s`` in place of the policy's."""
        return Attempts(Deadline(self.timeout_s if timeout_s is None else timeout_s), self.retries)


class Attempts:
    """The tries of one operation."""

    def __init__(self, deadline: Deadline, retries: int) -> None:
        self.deadline = deadline
        self.unsure = False
        """Whether an answer was lost: the server may have done what was asked."""
        self._retries = retries
        self._failed = 0

    def succeed(self) -> None:
        """Something came: the next trouble is a new one."""
        self._failed = 0

    def lost(self, call: Call, error: httpx.HTTPError) -> Flow[None]:
        """Wait until it can be tried again after no answer came.

        Raises:
            AudioScoreClientError: it should not be, or the time does not allow it.
        """
        failure = translated(call, error, self.deadline)
        nothing_sent = isinstance(error, _NOTHING_SENT)
        self.unsure = self.unsure or not nothing_sent
        again = isinstance(failure, ConnectionLost) and (call.repeatable or nothing_sent)
        yield from self._wait(call, failure, again, None)

    def refused(self, call: Call, error: AnsweredError) -> Flow[None]:
        """Wait until it can be tried again after the server said no.

        Raises:
            AudioScoreClientError: it should not be, or the time does not allow it.
        """
        yield from self._wait(call, error, error.status in _AGAIN, error.retry_after_s)

    def _wait(
        self, call: Call, failure: AudioScoreClientError, again: bool, asked_s: float | None
    ) -> Flow[None]:
        if not again or self._failed >= self._retries:
            raise failure
        pause_s = backoff_s(self._failed, asked_s)
        if pause_s >= self.deadline.left_s():
            raise failure
        self._failed += 1
        _LOG.info("%s: %s Try %d follows in %.1f s.", call, failure, self._failed + 1, pause_s)
        yield Pause(pause_s)


def backoff_s(failed: int, asked_s: float | None) -> float:
    """How long to wait before the next try.

    Args:
        failed: tries that failed before this one.
        asked_s: how long the server asks to wait at least; None where it does not.
    """
    if asked_s is not None:
        return asked_s + _JITTER * random.random() * max(asked_s, _FIRST_S)
    # Half of it at least: after a restart all clients would be back at once.
    whole = min(_LONGEST_S, _FIRST_S * 2.0**failed)
    return whole * (0.5 + 0.5 * random.random())


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long a server asks to wait, in seconds; None where it does not, or not in earnest."""
    told = headers.get("Retry-After", "").strip()
    try:
        seconds = float(told) if told.isascii() and told.isdigit() else _until(told, headers)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(moment: str, headers: Mapping[str, str]) -> float:
    """Seconds until a moment, by the server's own clock where it tells that."""
    try:
        now = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except ValueError:
        now = time.time()
    asked = parsedate_to_datetime(moment)
    if asked.tzinfo is None:
        asked = asked.replace(tzinfo=UTC)
    return max(0.0, asked.timestamp() - now)


def translated(call: Call, error: httpx.HTTPError, deadline: Deadline) -> AudioScoreClientError:
    """The error of this package that says what kept an answer from coming."""
    if isinstance(error, httpx.TimeoutException):
        failure: AudioScoreClientError = late(call, deadline)
    elif isinstance(error, _LOST):
        failure = ConnectionLost(f"{call}: {str(error).rstrip('.') or 'the connection broke'}.")
    else:
        failure = UnexpectedAnswer(f"{call}: {str(error).rstrip('.')}.")
    failure.__cause__ = error
    return failure


def late(call: Call, deadline: Deadline) -> DeadlineExceeded:
    """The error that says that the time was up."""
    return DeadlineExceeded(
        f"{call} was not done within {deadline.seconds:g} s. Try again later, or give a longer "
        "timeout_s."
    )
