"""The loop that forms batches and gives each caller its own answer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

from audio_score_server.batching.policy import BatchLimits, wait_left
from audio_score_server.errors import BatchError, DeviceMemoryError, NotReady

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class _Pending(Generic[ItemT, ResultT]):
    """One caller's item until it is answered."""

    __slots__ = ("answer", "arrival", "item")

    def __init__(self, item: ItemT) -> None:
        self.item = item
        self.arrival = time.monotonic()
        self.answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()


class Batcher(Generic[ItemT, ResultT]):
    """Runs items through ``run_batch`` in batches, on one thread of its own.

    While a batch runs the next one gathers. An idle device takes what is there at once unless more
    is announced (``announce``). Items whose callers left are dropped before they cost anything. A
    batch that fails is run again item by item, so that a poisoned item fails alone.
    """

    def __init__(
        self,
        name: str,
        run_batch: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        limits: BatchLimits,
    ) -> None:
        self._run_batch = run_batch
        self._limits = limits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"device-{name}")
        self._pending: deque[_Pending[ItemT, ResultT]] = deque()
        self._announced = 0
        self._closing = False
        self._changed = asyncio.Event()
        self._loop = asyncio.create_task(self._run(), name=f"batcher-{name}")

    @contextmanager
    def announce(self) -> Iterator[None]:
        """While inside, an item is on its way: worth a short wait for whoever is first."""
        self._announced += 1
        try:
            yield
        finally:
            self._announced -= 1
            self._changed.set()

    async def submit(self, item: ItemT) -> ResultT:
        """The result for one item.

        Raises:
            BatchError: the run failed for this item; the cause is attached.
            NotReady: the batcher closes.
        """
        if self._closing or self._loop.done():
            raise NotReady("The server is stopping.")
        pending: _Pending[ItemT, ResultT] = _Pending(item)
        self._pending.append(pending)
        self._changed.set()
        return await pending.answer

    async def call(self, function: Callable[[], None]) -> None:
        """Run something else on the batcher's thread, between batches."""
        await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def close(self) -> None:
        """Finish the running batch, refuse what still waits, end the thread."""
        self._closing = True
        self._changed.set()
        await asyncio.gather(self._loop, return_exceptions=True)
        for pending in self._pending:
            _refuse(pending, NotReady("The server is stopping."))
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self) -> None:
        while not self._closing:
            await self._answer(await self._next_batch())

    async def _next_batch(self) -> list[_Pending[ItemT, ResultT]]:
        """The next batch in order of arrival; empty once the batcher closes."""
        while not self._closing:
            self._changed.clear()
            self._drop_departed()
            if not self._pending:
                await self._changed.wait()
                continue
            wait_s = wait_left(
                len(self._pending),
                self._announced,
                self._pending[0].arrival,
                time.monotonic(),
                self._limits,
            )
            if not wait_s:
                size = min(self._limits.size, len(self._pending))
                return [self._pending.popleft() for _ in range(size)]
            await self._change_within(wait_s)
        return []

    async def _change_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _drop_departed(self) -> None:
        """Callers that were cancelled have cancelled their futures with them."""
        kept = [pending for pending in self._pending if not pending.answer.done()]
        self._pending = deque(kept)

    async def _answer(self, batch: list[_Pending[ItemT, ResultT]]) -> None:
        if not batch:
            return
        try:
            results = await self._results([pending.item for pending in batch])
        except Exception as error:
            await self._answer_singly(batch, error)
            return
        for pending, result in zip(batch, results, strict=True):
            if not pending.answer.done():
                pending.answer.set_result(result)

    async def _answer_singly(self, batch: list[_Pending[ItemT, ResultT]], error: Exception) -> None:
        if len(batch) == 1:
            _refuse(batch[0], error)
            return
        for pending in batch:
            if not pending.answer.done():
                await self._answer([pending])

    def _run_guarded(self, items: list[ItemT]) -> Sequence[ResultT]:
        try:
            return self._run_batch(items)
        except StopIteration as error:
            # The one exception that a future does not carry.
            raise RuntimeError(str(error)) from error

    async def _results(self, items: list[ItemT]) -> Sequence[ResultT]:
        loop = asyncio.get_running_loop()
        results = await loop.run_in_executor(self._thread, self._run_guarded, items)
        if len(results) != len(items):
            raise BatchError(f"the model gave {len(results)} results for {len(items)} recordings")
        return results


def _refuse(pending: _Pending[ItemT, ResultT], cause: Exception) -> None:
    if pending.answer.done():
        return
    if isinstance(cause, NotReady | DeviceMemoryError):
        pending.answer.set_exception(cause)
        return
    error = BatchError(f"{type(cause).__name__}: {cause}")
    error.__cause__ = cause
    pending.answer.set_exception(error)
