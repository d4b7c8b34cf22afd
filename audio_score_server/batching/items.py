"""What waits for a device's thread, and how it is answered from there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from audio_score_server.errors import BatchError, DeviceMemoryError, NotReady

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
Answer = asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[ResultT]):
    """What became of an item.

    Attributes:
        result: of its run.
        queued_s: how long it waited.
        device_s: how long its batch ran.
    """

    result: ResultT
    queued_s: float
    device_s: float


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What the device did.

    Attributes:
        size: items of the batch.
        audio_s: their sound.
        device_s: how long they took.
    """

    size: int
    audio_s: float
    device_s: float


class Pending(Generic[ItemT, ResultT]):
    """One caller's item until it is answered."""

    __slots__ = ("admitted", "answer", "arrival", "item", "passed", "seconds", "started")

    def __init__(self, item: ItemT, seconds: float, admitted: float) -> None:
        self.item = item
        self.admitted = admitted
        self.seconds = seconds
        self.arrival = self.started = time.monotonic()
        self.passed = 0
        self.answer: asyncio.Future[Outcome[ResultT]] = asyncio.get_running_loop().create_future()

    @property
    def cancelled(self) -> bool:
        """Callers that were cancelled have cancelled their futures with them."""
        return self.answer.done()

    def fail(self, cause: Exception) -> None:
        """Answer with an error of this package, the cause attached."""
        error = cause
        if not isinstance(cause, NotReady | DeviceMemoryError):
            error = BatchError(f"{type(cause).__name__}: {cause}")
            error.__cause__ = cause
        settle(self.answer, error=error)


class Ticket(Generic[ItemT, ResultT]):
    """An admitted caller's right to submit one item."""

    def __init__(self, put: Callable[[ItemT, float, float], Awaitable[Outcome[ResultT]]]) -> None:
        self._put = put
        self._admitted = time.monotonic()
        self.announced = True
        """Whether the item is yet to come."""

    async def submit(self, item: ItemT, seconds: float) -> Outcome[ResultT]:
        """Have an item run.

        Args:
            item: the item.
            seconds: how long its sound is.

        Raises:
            BatchError: the run failed for this item; the cause is attached.
            DeviceMemoryError: the item does not fit into the device's memory.
            NotReady: the batcher closes, or its device has failed.
        """
        self.announced = False
        return await self._put(item, seconds, self._admitted)


class Call:
    """Something else to be done on the thread, until it is."""

    __slots__ = ("answer", "function")

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def run(self) -> None:
        """Do it and answer."""
        try:
            self.function()
        except Exception as error:
            settle(self.answer, error=error)
        else:
            settle(self.answer)


def settle(answer: Answer, result: object = None, error: Exception | None = None) -> None:
    """Settle a future of another thread's loop, unless it is settled, or the loop has ended."""
    if isinstance(error, StopIteration):  # the one exception that a future does not take
        stop, error = error, RuntimeError(f"StopIteration: {error}")
        error.__cause__ = stop

    def settle_here() -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    try:
        answer.get_loop().call_soon_threadsafe(settle_here)
    except RuntimeError:
        pass  # the loop has ended, and its callers with it
