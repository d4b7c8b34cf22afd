"""What an operation asks of whoever carries it out, blocking or not.

An operation is a generator: it yields steps, is given their outcomes, and returns its result. It
decides everything (what is asked, what is tried again, how answers are read) and touches neither
network nor clock, so the blocking and the asynchronous client share it whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from audio_score_client.calls import Call
from audio_score_client.deadline import Deadline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request; its outcome is the ``httpx.Response``, of which the body is yet to come."""

    call: Call
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Receive:
    """Receive more of the body; its outcome is some bytes, or None after the last."""

    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Do:
    """Do what may block, such as writing a file; its outcome is what it returns."""

    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Hand an item to whoever iterates."""

    item: T


@dataclass(frozen=True, slots=True)
class Failure:
    """The outcome of a step that raised."""

    error: Exception


Step: TypeAlias = Open | Receive | Pause | Do
Flow: TypeAlias = Generator[Step, Any, T]
"""An operation with one result."""
Items: TypeAlias = Generator[Step | Emit[T], Any, None]
"""An operation with any number of results, one after the other."""
NOTHING: Final = None


def resume(flow: Generator[T, Any, Any], outcome: object) -> T:
    """Go on with an operation; its next step.

    Raises:
        StopIteration: it has ended, with its result.
    """
    if isinstance(outcome, Failure):
        return flow.throw(outcome.error)
    return flow.send(outcome)
