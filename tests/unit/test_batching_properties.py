"""What holds of the batcher whoever comes, leaves or fails, and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.batching import Batcher, BatchLimits, Ticket
from audio_score_server.errors import BatchError, NotReady, QueueFull
from tests.batches import (
    LONG_S,
    PATIENCE,
    Device,
    FatalError,
    GatedDevice,
    batching,
    fit,
    in_order,
    play,
    turns,
)

_LENGTHS: Final = (1.0, 1.5, 2.0, 5.0, 8.0)


class _PoisonError(Exception):
    pass


@dataclass(eq=False)
class _Caller:
    """One request, from its admission to its end."""

    number: int
    seconds: float
    error: type[Exception] | None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    deadline: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))
    task: asyncio.Task[int] = field(init=False)
    expected: type[BaseException] | None = None
    told: str = ""
    batches_left: int = 0

    def start(self, batcher: Batcher[int, int]) -> None:
        self.task = asyncio.create_task(self._live(batcher))

    async def _live(self, batcher: Batcher[int, int]) -> int:
        async with self.deadline:
            with batcher.admit() as ticket:
                await self.go.wait()
                return (await ticket.submit(self.number, self.seconds)).result

    def poison(self) -> Exception:
        """What the device raises for it, if for any."""
        assert self.error is not None
        return self.error(f"number {self.number}")

    def leave(self, by_deadline: bool) -> None:
        if by_deadline:
            self.deadline.reschedule(0.0)
            self.expected = TimeoutError
        else:
            self.task.cancel()
            self.expected = asyncio.CancelledError

    def check(self) -> None:
        """It was answered, and with what is its own."""
        assert self.task.done()
        error = asyncio.CancelledError() if self.task.cancelled() else self.task.exception()
        assert type(error) is (self.expected or type(None))
        if error is None:
            assert self.task.result() == 2 * self.number
        if isinstance(error, BatchError):
            assert str(error) == self.told


@dataclass(frozen=True)
class _Step:
    """What happens next, and to whom; a step that nobody is there for does nothing."""

    name: str
    which: int
    seconds: float
    error: type[Exception] | None
    by_deadline: bool


class _Play:
    """Says beforehand what the batcher has to do, and holds it to that after every step.

    The device is held in every batch until a step lets it go, so that what the batcher's thread
    sees does not depend on when it looks.
    """

    def __init__(
        self, batcher: Batcher[int, int], device: GatedDevice, limits: BatchLimits, capacity: int
    ) -> None:
        self._batcher = batcher
        self._device = device
        self._limits = limits
        self._capacity = capacity
        self._callers: list[_Caller] = []
        self._announced: list[_Caller] = []
        self._queue: list[_Caller] = []
        self._running: list[_Caller] = []
        self._again: list[_Caller] = []
        self._never: list[_Caller] = []
        self.dead = False

    async def step(self, step: _Step) -> None:
        steps: dict[str, Callable[[_Step], Awaitable[None]]] = {
            "admit": self._admit,
            "submit": self._submit,
            "leave": self._leave,
            "finish": self._finish,
        }
        await steps[step.name](step)

    async def _admit(self, step: _Step) -> None:
        caller = _Caller(len(self._callers), step.seconds, step.error)
        self._callers.append(caller)
        if step.error is not None:
            self._device.errors[caller.number] = caller.poison
        inside = sum(not each.task.done() for each in self._callers[:-1])
        caller.start(self._batcher)
        await turns()
        if self.dead:
            caller.expected = NotReady
        elif inside >= self._capacity:
            caller.expected = QueueFull
            rejection = caller.task.exception()
            assert isinstance(rejection, QueueFull)
            assert 0 < rejection.retry_after_s <= 60
        else:
            self._announced.append(caller)

    async def _submit(self, step: _Step) -> None:
        if not self._announced:
            return
        await self._send(self._announced[step.which % len(self._announced)])

    async def _send(self, caller: _Caller) -> None:
        self._announced.remove(caller)
        caller.go.set()
        await turns()
        if self.dead:
            caller.expected = NotReady
            return
        self._queue.append(caller)
        ahead = [each.seconds for each in self._queue]
        caller.batches_left = in_order(ahead, self._limits) + PATIENCE
        await self._follow()

    async def _leave(self, step: _Step) -> None:
        inside = [each for each in self._callers if not each.task.done()]
        if not inside:
            return
        caller = inside[step.which % len(inside)]
        if caller in self._queue:
            self._queue.remove(caller)
            self._never.append(caller)
        if caller in self._announced:
            self._announced.remove(caller)
            self._never.append(caller)
        caller.leave(step.by_deadline)
        await turns()
        assert caller.task.done()
        await self._follow()

    async def _finish(self, _: _Step | None = None) -> None:
        if not self._running:
            return
        batch, self._running = self._running, []
        self._device.finish()
        culprit = next((each for each in batch if each.error), None)
        if culprit and culprit.error is FatalError:
            await self._die(batch, culprit)
        elif culprit and len(batch) > 1:
            self._again = list(batch)
        elif culprit:
            _expect(BatchError, batch, f"_PoisonError: number {culprit.number}")
        await self._follow()
        if not self._running and not self._again:
            await _end([each.task for each in batch])

    async def _die(self, batch: list[_Caller], culprit: _Caller) -> None:
        self.dead = True
        _expect(BatchError, batch, f"FatalError: number {culprit.number}")
        _expect(NotReady, self._again)
        _expect(NotReady, self._queue)
        self._queue, self._again = [], []
        with pytest.raises(NotReady):  # at the latest when the thread comes to it and ends
            await self._batcher.call(lambda: None)

    # What has to follow

    async def _follow(self) -> None:
        """See the next batch reach the device, if one has to now."""
        if self._running or self.dead:
            return
        while self._again:
            caller = self._again.pop(0)
            if caller.expected is None:
                assert await self._device.given() == [caller.number]
                self._running = [caller]
                return
        if self._queue and not (self._announced and self._may_grow()):
            self._take(await self._device.given())

    def _may_grow(self) -> bool:
        return fit([*(each.seconds for each in self._queue), 0.0], self._limits)

    def _take(self, numbers: list[int]) -> None:
        batch = [each for each in self._queue if each.number in numbers]
        assert [each.number for each in batch] == numbers
        assert batch[0] is self._queue[0]
        assert fit([each.seconds for each in batch], self._limits)
        assert all(each.batches_left >= 1 for each in self._queue)
        self._queue = [each for each in self._queue if each not in batch]
        for each in self._queue:
            assert not fit([*(one.seconds for one in batch), each.seconds], self._limits)
            each.batches_left -= 1
        self._running = batch

    # Ends

    async def drain(self) -> None:
        """Everyone who is in submits and is answered; then there is room again for as many."""
        for each in list(self._announced):
            await self._send(each)
        while self._running:
            await self._finish()
        await _end([each.task for each in self._callers])
        if not self.dead:
            self._device.free()
            await _is_empty(self._batcher, self._capacity)

    async def close(self) -> None:
        """What runs is finished, what waits or comes later is refused."""
        _expect(NotReady, self._queue)
        _expect(NotReady, self._announced)
        closing = asyncio.create_task(self._batcher.close())
        await turns()
        self._queue = []
        for each in self._announced:
            each.go.set()
        while self._running:
            await self._finish()
        await closing
        await _end([each.task for each in self._callers])

    def check(self) -> None:
        for each in self._callers:
            each.check()
            runs = [run for run in self._device.runs if each.number in run]
            assert not runs if each in self._never else len(runs) <= 2
            assert sum(len(run) > 1 for run in runs) <= 1
        assert self._batcher.waiting == 0


def _expect(error: type[BaseException], callers: Sequence[_Caller], told: str = "") -> None:
    """Unless they have left, or have their answer."""
    for each in callers:
        if each.expected is None and not each.task.done():
            each.expected, each.told = error, told


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks)


async def _is_empty(batcher: Batcher[int, int], capacity: int) -> None:
    """Nobody is counted as in or as under way, and nobody fewer than nobody."""
    with ExitStack() as stack:
        for _ in range(capacity):
            stack.enter_context(batcher.admit())
        with pytest.raises(QueueFull, match=rf"\b{capacity} requests"), batcher.admit():
            pass
    with batcher.admit() as ticket:
        assert (await ticket.submit(1_000, 1.0)).result == 2_000


_STEP = st.builds(
    _Step,
    name=st.sampled_from(["admit"] * 6 + ["submit"] * 7 + ["leave"] * 2 + ["finish"] * 2),
    which=st.integers(0, 30),
    seconds=st.sampled_from(_LENGTHS),
    error=st.sampled_from([None] * 30 + [_PoisonError] * 9 + [FatalError]),
    by_deadline=st.booleans(),
)
# Lists without a least size are mostly too short for a queue to grow.
_STEPS = st.sampled_from([4, 12, 36, 72]).flatmap(
    lambda count: st.lists(_STEP, min_size=count, max_size=count)
)
_LIMITS = st.builds(
    BatchLimits, st.integers(1, 4), st.just(LONG_S), st.sampled_from([4.0, 10.0, 1e9])
)


@settings(max_examples=250)
@given(_STEPS, _LIMITS, st.sampled_from([1, 4, 24]), st.booleans())
def test_everyone_is_answered_with_their_own_and_nothing_is_left_over(
    steps: list[_Step], limits: BatchLimits, capacity: int, closes: bool
) -> None:
    async def scenario() -> None:
        device = GatedDevice()
        deaths: list[BaseException] = []
        async with batching(
            device, limits.size, limits.wait_s, limits.seconds, capacity
        ) as batcher:
            batcher.on_death = deaths.append
            progress = _Play(batcher, device, limits, capacity)
            for step in steps:
                await progress.step(step)
            await (progress.close() if closes else progress.drain())
        progress.check()
        assert len(device.threads) <= 1
        assert len(deaths) == progress.dead

    play(scenario)


@dataclass(frozen=True)
class _Habit:
    """When a caller does what, in turns of the event loop."""

    admitted: int
    submits: int
    leaves: int | None
    seconds: float
    error: type[Exception] | None


_HABITS = st.builds(
    _Habit,
    admitted=st.integers(0, 6),
    submits=st.integers(0, 6),
    leaves=st.none() | st.integers(0, 20),
    seconds=st.sampled_from(_LENGTHS),
    error=st.sampled_from([None] * 30 + [_PoisonError] * 9 + [FatalError]),
)


class _Room:
    """Counts who is in."""

    def __init__(self, batcher: Batcher[int, int], capacity: int) -> None:
        self._batcher = batcher
        self._capacity = capacity
        self._inside = 0

    @contextmanager
    def _admitted(self) -> Iterator[Ticket[int, int]]:
        full = self._inside == self._capacity
        try:
            with self._batcher.admit() as ticket:
                assert not full
                self._inside += 1
                try:
                    yield ticket
                finally:
                    self._inside -= 1
        except QueueFull:
            assert full
            raise

    async def visit(self, number: int, habit: _Habit) -> int:
        await turns(habit.admitted)
        with self._admitted() as ticket:
            await turns(habit.submits)
            return (await ticket.submit(number, habit.seconds)).result


async def _visited(room: _Room, number: int, habit: _Habit) -> int:
    task = asyncio.create_task(room.visit(number, habit))
    if habit.leaves is not None:
        await turns(habit.leaves)
        task.cancel()
    return await task


def _own(number: int, habit: _Habit, answer: int | BaseException, lost: bool) -> bool:
    """Whether an answer is one that this caller may have."""
    if isinstance(answer, asyncio.CancelledError):
        return habit.leaves is not None
    if isinstance(answer, BatchError):
        return str(answer) == f"_PoisonError: number {number}" or (
            lost and str(answer).startswith("FatalError: number ")
        )
    if isinstance(answer, NotReady):
        return lost
    return isinstance(answer, QueueFull) or (habit.error is None and answer == 2 * number)


@settings(max_examples=150)
@given(
    st.lists(_HABITS, min_size=1, max_size=24),
    _LIMITS,
    st.sampled_from([0.0, 0.0005]),
    st.integers(1, 24),
)
def test_everyone_is_answered_with_their_own_while_the_device_is_never_held(
    habits: list[_Habit], limits: BatchLimits, wait_s: float, capacity: int
) -> None:
    async def scenario() -> None:
        device = Device()
        for number, habit in enumerate(habits):
            if habit.error:
                device.errors[number] = partial(habit.error, f"number {number}")
        async with batching(device, limits.size, wait_s, limits.seconds, capacity) as batcher:
            deaths: list[BaseException] = []
            batcher.on_death = deaths.append
            room = _Room(batcher, capacity)
            visits = (_visited(room, number, habit) for number, habit in enumerate(habits))
            answers = await asyncio.gather(*visits, return_exceptions=True)
            if not any(habit.error is FatalError for habit in habits):
                await _is_empty(batcher, capacity)
        for number, (habit, answer) in enumerate(zip(habits, answers, strict=True)):
            assert _own(number, habit, answer, bool(deaths)), answer
            assert sum(number in run for run in device.runs) <= 2
        lengths = {number: habit.seconds for number, habit in enumerate(habits)}
        assert all(fit([lengths.get(n, 1.0) for n in run], limits) for run in device.runs)
        assert len(deaths) <= 1

    play(scenario)
