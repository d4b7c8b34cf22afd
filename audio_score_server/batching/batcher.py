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
from functools import partial
from typing import Final, Generic

from audio_score_server.batching.admission import Admission
from audio_score_server.batching.items import (
    Answer,
    BatchReport,
    Call,
    ItemT,
    Outcome,
    Pending,
    ResultT,
    Ticket,
    settle,
)
from audio_score_server.batching.policy import BatchLimits, Waiting, choose, wait_left
from audio_score_server.errors import BatchError, NotReady, QueueFull

_LOG = logging.getLogger(__name__)
_FAILED: Final = "The model's device has failed; the server is about to stop."
_STOPPING: Final = "The server is stopping."


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
        self._admission = Admission(capacity, limits.size)
        self._changed = threading.Condition()
        self._pending: deque[Pending[ItemT, ResultT]] = deque()
        self._calls: deque[Call] = deque()
        self._announced = 0
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
            self._raise_if_over()
            if bounded and (rejection := self._admission.rejection(left_s)):
                raise rejection
            self._announced += 1
            self._admission.enter()
        ticket = Ticket(self._put)
        try:
            yield ticket
        finally:
            with self._changed:
                self._admission.leave()
                self._announced -= ticket.announced
                self._changed.notify()

    def full(self, left_s: float) -> QueueFull | None:
        """How ``admit`` would refuse a caller now; None where it would not."""
        with self._changed:
            return self._admission.rejection(left_s)

    async def _put(self, item: ItemT, seconds: float, admitted: float) -> Outcome[ResultT]:
        pending: Pending[ItemT, ResultT] = Pending(item, seconds, admitted)
        with self._changed:
            self._announced -= 1
            self._raise_if_over()
            self._pending.append(pending)
            self._changed.notify()
        return await pending.answer

    async def call(self, function: Callable[[], None]) -> None:
        """Run something else on the batcher's thread, between batches."""
        call = Call(function)
        with self._changed:
            self._raise_if_over()
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

    def _raise_if_over(self) -> None:
        if self._death is not None:
            raise NotReady(_FAILED)
        if self._closing:
            raise NotReady(_STOPPING)

    def _work(self) -> None:
        try:
            while True:
                self._next()()
        except _Closed:
            self._reject_all(_STOPPING)
        except BaseException as error:
            self._die(error)
            self._reject_all(_FAILED)
            self.on_death(error)

    def _die(self, error: BaseException) -> None:
        """Let nobody in from now on: before anyone is told, who might come again at once."""
        with self._changed:
            self._death = error

    def _reject_all(self, reason: str) -> None:
        """Nothing can come after: whoever asks now is refused at once."""
        with self._changed:
            answers: list[Answer] = [pending.answer for pending in self._pending]
            answers += [call.answer for call in self._calls]
            self._pending.clear()
            self._calls.clear()
        for answer in answers:
            settle(answer, error=NotReady(reason))

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

    def _form(self) -> tuple[list[Pending[ItemT, ResultT]], float | None]:
        """A batch that should go now, or how long to wait; None until something changes."""
        kept = [pending for pending in self._pending if not pending.cancelled]
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

    def _serve(self, work: Callable[[], None], answers: Sequence[Answer]) -> None:
        """Do what is to be answered; whatever ends the thread, nobody is left waiting."""
        try:
            work()
        except BaseException as error:
            self._die(error)
            for answer in answers:
                settle(answer, error=NotReady(_FAILED))  # unless it has been given already
            raise

    def _run(self, batch: list[Pending[ItemT, ResultT]]) -> None:
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
        batch: list[Pending[ItemT, ResultT]],
        results: Sequence[ResultT],
        device_s: float,
    ) -> None:
        self.batches += 1
        ended = time.monotonic()
        # Since there was something to do: callers wait for more than the device.
        begun = max(self._last_end, min(pending.admitted for pending in batch))
        self._last_end = ended
        if self._saturated:  # what fewer callers get in their time is no measure of the device
            self._admission.observe(len(batch), ended - begun)
        for pending, result in zip(batch, results, strict=True):
            outcome = Outcome(result, pending.started - pending.arrival, device_s)
            settle(pending.answer, outcome)
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

    def _fail(self, batch: list[Pending[ItemT, ResultT]], error: Exception) -> None:
        if self.is_fatal(error):
            self._die(error)
            for pending in batch:
                pending.fail(error)
            raise error
        if len(batch) == 1:
            batch[0].fail(error)
            return
        # One by one they say nothing of how many the device does in a time.
        self._saturated = False
        for pending in batch:
            if not pending.cancelled:
                self._run([pending])


class _Closed(Exception):
    """Ends the thread."""
