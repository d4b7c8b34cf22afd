"""The queue of one device: forms batches and gives each caller its own answer.

The event loop puts items in; a thread of the batcher's own takes them out, runs them, and hands the
results back. That thread forms the next batch at the moment the device is free, from all that has
come meanwhile, and waits for nothing that the event loop may be at.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

from audio_score_server.batching.policy import BatchLimits, Waiting, choose, wait_left
from audio_score_server.errors import BatchError, DeviceMemoryError, NotReady, QueueFull

_LOG = logging.getLogger(__name__)
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
_Answer = asyncio.Future[Any]
_SMOOTHING: Final = 0.2
"""Weight of the last batch in the measured rate."""
_MOST_RETRY_S: Final = 60.0
_FEWEST_BATCHES: Final = 2
_SHARE_FOR_WAITING: Final = 0.7
"""Of the time a caller has, what the queue may take: arrivals and batches come unevenly."""
_FAILED: Final = "The model's device has failed; the server is about to stop."
_STOPPING: Final = "The server is stopping."


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


class _Pending(Generic[ItemT, ResultT]):
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
    def departed(self) -> bool:
        """Callers that were cancelled have cancelled their futures with them."""
        return self.answer.done()


class _Call:
    """Something else to be done on the thread, until it is."""

    __slots__ = ("answer", "function")

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def run(self) -> None:
        try:
            self.function()
        except Exception as error:
            _hand_over(self.answer, error=error)
        else:
            _hand_over(self.answer)


class Ticket(Generic[ItemT, ResultT]):
    """An admitted caller's right to submit one item."""

    def __init__(self, batcher: Batcher[ItemT, ResultT]) -> None:
        self._batcher = batcher
        self._admitted = time.monotonic()
        self.announced = True

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
        return await self._batcher.put(item, seconds, self._admitted)


class Batcher(Generic[ItemT, ResultT]):
    """Runs items through ``run_batch`` in batches.

    A device that is free takes what is there at once, unless more is announced: then the first item
    waits a little for it. Items whose callers left are dropped before they cost anything. A batch
    that fails is run again item by item, so that a poisoned item fails alone.
    """

    def __init__(
        self,
        name: str,
        run_batch: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        limits: BatchLimits,
        capacity: int,
    ) -> None:
        """Start the thread.

        Args:
            name: of the thread.
            run_batch: gives one result for each item, in order.
            limits: bounds of a batch.
            capacity: most callers that may be admitted at once.
        """
        self.on_batch: Callable[[BatchReport], None] = lambda _: None
        """Told of every batch, on the batcher's thread."""
        self.on_death: Callable[[BaseException], object] = lambda _: None
        """Told when the device has failed for good, on the batcher's thread."""
        self.batches = 0
        """Batches that have been run."""
        self.is_fatal: Callable[[Exception], bool] = lambda _: False
        """Whether an error of a run means that no later run can succeed."""
        self._name = name
        self._report_failed = False
        self._run_batch = run_batch
        self._limits = limits
        self._capacity = capacity
        self._changed = threading.Condition()
        self._pending: deque[_Pending[ItemT, ResultT]] = deque()
        self._calls: deque[_Call] = deque()
        self._announced = self._admitted = 0
        self._rate = 0.0
        self._saturated = False
        self._last_end = -math.inf
        self._closing = False
        self._death: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"device-{name}", daemon=True)
        self._thread.start()

    @contextmanager
    def admit(
        self, bounded: bool = True, left_s: float = math.inf
    ) -> Iterator[Ticket[ItemT, ResultT]]:
        """Let a caller in, whose item is now on its way: worth a short wait for whoever is first.

        Args:
            bounded: False for callers whose number is bounded elsewhere.
            left_s: how long the caller will wait for its answer.

        Raises:
            QueueFull: as many as the capacity allows are in already, or so many that this one
                would hardly be done in time: letting it in would make all of them late.
            NotReady: the batcher closes, or its device has failed.
        """
        with self._changed:
            self._refuse_if_over()
            if bounded and (full := self._full(left_s)):
                raise full
            self._announced += 1
            self._admitted += 1
        ticket = Ticket(self)
        try:
            yield ticket
        finally:
            with self._changed:
                self._admitted -= 1
                self._announced -= ticket.announced
                self._changed.notify()

    def full(self, left_s: float) -> QueueFull | None:
        """How ``admit`` would refuse a caller now; None where it would not."""
        with self._changed:
            return self._full(left_s)

    async def put(self, item: ItemT, seconds: float, admitted: float) -> Outcome[ResultT]:
        """For tickets."""
        pending: _Pending[ItemT, ResultT] = _Pending(item, seconds, admitted)
        with self._changed:
            self._announced -= 1
            self._refuse_if_over()
            self._pending.append(pending)
            self._changed.notify()
        return await pending.answer

    async def call(self, function: Callable[[], None]) -> None:
        """Run something else on the batcher's thread, between batches."""
        call = _Call(function)
        with self._changed:
            self._refuse_if_over()
            self._calls.append(call)
            self._changed.notify()
        await call.answer

    async def close(self) -> None:
        """Finish the running batch, refuse what still waits, end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return len(self._pending)

    @property
    def oldest_s(self) -> float:
        """How long the first of them has waited; 0 if there is none."""
        with self._changed:
            return time.monotonic() - self._pending[0].arrival if self._pending else 0.0

    def _refuse_if_over(self) -> None:
        if self._death is not None:
            raise NotReady(_FAILED)
        if self._closing:
            raise NotReady(_STOPPING)

    def _full(self, left_s: float) -> QueueFull | None:
        if self._admitted >= self._capacity or self._too_late(left_s):
            return QueueFull(self._admitted, self._until_free_s())
        return None

    def _too_late(self, left_s: float) -> bool:
        """Whether what is in already would leave one more too little time."""
        # Of less than two batches the measured rate says little.
        return (
            self._rate > 0
            and self._admitted >= _FEWEST_BATCHES * self._limits.size
            and self._until_free_s() > _SHARE_FOR_WAITING * left_s
        )

    def _until_free_s(self) -> float:
        """When, at the measured rate, all that is in now will be done."""
        return min(_MOST_RETRY_S, self._admitted / self._rate) if self._rate else 1.0

    def _work(self) -> None:
        try:
            while True:
                self._next()()
        except _Closed:
            self._refuse_all(_STOPPING)
        except BaseException as error:
            self._die(error)
            self._refuse_all(_FAILED)
            self.on_death(error)

    def _die(self, error: BaseException) -> None:
        """Let nobody in from now on: before anyone is told, who might come again at once."""
        with self._changed:
            self._death = error

    def _refuse_all(self, reason: str) -> None:
        """Nothing can come after: whoever asks now is refused at once."""
        with self._changed:
            answers: list[_Answer] = [pending.answer for pending in self._pending]
            answers += [call.answer for call in self._calls]
            self._pending.clear()
            self._calls.clear()
        for answer in answers:
            _hand_over(answer, error=NotReady(reason))

    def _next(self) -> Callable[[], None]:
        """The next thing to do, as soon as there is one.

        Raises:
            _Closed: nothing more is to be done.
        """
        with self._changed:
            while True:
                if self._calls:
                    call = self._calls.popleft()
                    return partial(self._serve, call.run, [call.answer])
                if self._closing:
                    raise _Closed
                batch, wait_s = self._form()
                if batch:
                    answers = [pending.answer for pending in batch]
                    return partial(self._serve, partial(self._run, batch), answers)
                self._changed.wait(wait_s)

    def _form(self) -> tuple[list[_Pending[ItemT, ResultT]], float | None]:
        """A batch that should go now, or how long to wait; None until something changes."""
        kept = [pending for pending in self._pending if not pending.departed]
        self._pending = deque(kept)
        if not kept:
            return [], None
        waiting = [Waiting(pending.seconds, pending.passed) for pending in kept]
        wait_s = wait_left(
            waiting, self._announced, kept[0].arrival, time.monotonic(), self._limits
        )
        if wait_s:
            return [], wait_s
        chosen = set(choose(waiting, self._limits))
        self._pending = deque(each for place, each in enumerate(kept) if place not in chosen)
        for place, pending in enumerate(kept[: max(chosen)]):
            pending.passed += place not in chosen
        self._saturated = bool(self._pending) or len(chosen) == self._limits.size
        return [kept[place] for place in sorted(chosen)], None

    def _serve(self, work: Callable[[], None], answers: Sequence[_Answer]) -> None:
        """Do what is to be answered; whatever ends the thread, nobody is left waiting."""
        try:
            work()
        except BaseException as error:
            self._die(error)
            for answer in answers:
                _hand_over(answer, error=NotReady(_FAILED))  # unless it has been given already
            raise

    def _run(self, batch: list[_Pending[ItemT, ResultT]]) -> None:
        started = time.monotonic()
        for pending in batch:
            pending.started = started
        try:
            results = self._run_batch([pending.item for pending in batch])
            if len(results) != len(batch):
                raise BatchError(
                    f"the model gave {len(results)} results for {len(batch)} recordings"
                )
        except Exception as error:
            self._fail(batch, error)
            return
        self._deliver(batch, results, time.monotonic() - started)

    def _deliver(
        self,
        batch: list[_Pending[ItemT, ResultT]],
        results: Sequence[ResultT],
        device_s: float,
    ) -> None:
        self.batches += 1
        ended = time.monotonic()
        # Since there was something to do: callers wait for more than the device.
        begun = max(self._last_end, min(pending.admitted for pending in batch))
        self._last_end = ended
        if self._saturated:  # what fewer callers get in their time is no measure of the device
            rate = len(batch) / max(ended - begun, 1e-6)
            self._rate = rate if not self._rate else self._rate + _SMOOTHING * (rate - self._rate)
        for pending, result in zip(batch, results, strict=True):
            outcome = Outcome(result, pending.started - pending.arrival, device_s)
            _hand_over(pending.answer, outcome)
        audio_s = sum(pending.seconds for pending in batch)
        self._report(BatchReport(len(batch), audio_s, device_s))

    def _report(self, batch: BatchReport) -> None:
        """Tell of a batch; what is only counted with must not end what is counted."""
        try:
            self.on_batch(batch)
        except Exception as error:
            if not self._report_failed:
                _LOG.exception("Batches of %s are no longer reported: %s", self._name, error)
            self._report_failed = True

    def _fail(self, batch: list[_Pending[ItemT, ResultT]], error: Exception) -> None:
        if self.is_fatal(error):
            self._die(error)
            for pending in batch:
                _refuse(pending, error)
            raise error
        if len(batch) == 1:
            _refuse(batch[0], error)
            return
        # One by one they say nothing of how many the device does in a time.
        self._saturated = False
        for pending in batch:
            if not pending.departed:
                self._run([pending])


class _Closed(Exception):
    """Ends the thread."""


def _refuse(pending: _Pending[ItemT, ResultT], cause: Exception) -> None:
    error = cause
    if not isinstance(cause, NotReady | DeviceMemoryError):
        error = BatchError(f"{type(cause).__name__}: {cause}")
        error.__cause__ = cause
    _hand_over(pending.answer, error=error)


def _hand_over(answer: _Answer, result: object = None, error: Exception | None = None) -> None:
    """Settle a future of another thread's loop, unless it is settled, or the loop has ended."""
    if isinstance(error, StopIteration):  # the one exception that a future does not take
        stop, error = error, RuntimeError(f"StopIteration: {error}")
        error.__cause__ = stop

    def settle() -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    try:
        answer.get_loop().call_soon_threadsafe(settle)
    except RuntimeError:
        pass  # the loop has ended, and its callers with it
