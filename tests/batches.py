"""Devices that do as they are told, and what a batch may be."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from audio_score_server.batching import Batcher, BatchLimits

HANG_S: Final = 10.0
"""Only ever spent where something hangs."""
LONG_S: Final = 3_600.0
"""A wait that no test sits out."""
PATIENCE: Final = 2
"""Batches that an item may go later than first come, first served, as the policy promises."""


class FatalError(Exception):
    """What a device raises that is lost for good."""


class Device:
    """Doubles numbers at once; raises what it is told to for some; keeps what it was given."""

    def __init__(self, errors: Mapping[int, Callable[[], BaseException]] | None = None) -> None:
        """``errors``: what to raise for a batch with that number in it."""
        self.runs: list[list[int]] = []
        self.threads: set[int] = set()
        self.errors = dict(errors or {})

    def run(self, items: Sequence[int]) -> list[int]:
        """One result for each item."""
        self.runs.append(list(items))
        self.threads.add(threading.get_ident())
        for item in items:
            if item in self.errors:
                raise self.errors[item]()
        return [2 * item for item in items]

    def free(self) -> None:
        """Let everything run from now on."""


class GatedDevice(Device):
    """Holds each batch until ``finish``."""

    def __init__(self, errors: Mapping[int, Callable[[], BaseException]] | None = None) -> None:
        """For the event loop that runs now."""
        super().__init__(errors)
        self._loop = asyncio.get_running_loop()
        self._given: asyncio.Queue[list[int]] = asyncio.Queue()
        self._passes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._free = False

    def run(self, items: Sequence[int]) -> list[int]:
        """One result for each item, when the gate opens."""
        self._loop.call_soon_threadsafe(self._given.put_nowait, list(items))
        if not self._free:
            self._passes.get(timeout=HANG_S)
        return super().run(items)

    async def given(self) -> list[int]:
        """The next batch that the device is given; what it answered before has arrived by then."""
        return await self._given.get()

    @property
    def idle(self) -> bool:
        """Whether it has been given nothing that ``given`` has not told."""
        return self._given.empty()

    def finish(self) -> None:
        """Let the batch under way go."""
        self._passes.put(None)

    def free(self) -> None:
        """Let it and everything after it go."""
        self._free = True
        self._passes.put(None)


@asynccontextmanager
async def batching(
    device: Device, size: int = 8, wait_s: float = LONG_S, seconds: float = 1e9, capacity: int = 64
) -> AsyncIterator[Batcher[int, int]]:
    """A batcher before the device; at the end it is closed and its thread is seen to be gone."""
    batcher = Batcher("test", device.run, BatchLimits(size, wait_s, seconds), capacity)
    batcher.is_fatal = lambda error: isinstance(error, FatalError)
    try:
        yield batcher
    finally:
        device.free()
        await batcher.close()
    assert "device-test" not in {thread.name for thread in threading.enumerate()}


async def ask(batcher: Batcher[int, int], item: int, seconds: float = 1.0) -> int:
    """One caller, from its admission to its answer."""
    with batcher.admit() as ticket:
        return (await ticket.submit(item, seconds)).result


async def turns(count: int = 5) -> None:
    """Let every other task go on that many times."""
    for _ in range(count):
        await asyncio.sleep(0)


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario on an event loop of its own; to hang is a failure, as is a broken callback."""
    broken: list[dict[str, Any]] = []

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        async with asyncio.timeout(HANG_S):
            await scenario()

    asyncio.run(bounded())
    assert not broken


def fit(lengths: Sequence[float], limits: BatchLimits) -> bool:
    """Whether they may be one batch; what is alone always may."""
    within = len(lengths) * max(lengths) <= limits.seconds
    return len(lengths) == 1 or (len(lengths) <= limits.size and within)


def in_order(lengths: Sequence[float], limits: BatchLimits) -> int:
    """How many batches take them all, first come, first served."""
    batches, going = 0, list[float]()
    for seconds in lengths:
        if not going or not fit([*going, seconds], limits):
            batches, going = batches + 1, []
        going.append(seconds)
    return batches
