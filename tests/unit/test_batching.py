from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.batching.policy import wait_left
from audio_score_server.errors import BatchError, NotReady

_PATIENCE_S = 20.0
"""Only ever spent where something hangs."""


class _Device:
    """Doubles numbers; fails on poisoned ones; keeps what it was given."""

    def __init__(self, poisoned: frozenset[int] = frozenset()) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self._poisoned = poisoned

    def run(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.threads.add(threading.current_thread().name)
        for item in items:
            if item in self._poisoned:
                raise ValueError(f"poisoned by {item}")
        return [2 * item for item in items]


class _GatedDevice(_Device):
    """Waits in its first batch until it is let go."""

    def __init__(self, poisoned: frozenset[int] = frozenset()) -> None:
        super().__init__(poisoned)
        self._entered = threading.Event()
        self._open = threading.Event()

    def run(self, items: Sequence[int]) -> list[int]:
        self._entered.set()
        assert self._open.wait(_PATIENCE_S)
        return super().run(items)

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, _PATIENCE_S)

    def let_go(self) -> None:
        self._open.set()


def _run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(_PATIENCE_S):
            await scenario()

    asyncio.run(bounded())


async def _turns(count: int) -> None:
    """Let every other task go on that many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def _all(*answers: Awaitable[int]) -> list[int]:
    return list(await asyncio.gather(*answers))


@dataclass(frozen=True)
class _Caller:
    poisoned: bool
    arrives: int
    leaves: int | None
    announces: bool


_CALLERS = st.builds(
    _Caller,
    poisoned=st.sampled_from([False, False, True]),
    arrives=st.integers(0, 12),
    leaves=st.none() | st.integers(0, 12),
    announces=st.booleans(),
)


async def _call(batcher: Batcher[int, int], number: int, caller: _Caller) -> int:
    if caller.announces:
        with batcher.announce():
            await _turns(caller.arrives)
    else:
        await _turns(caller.arrives)
    return await batcher.submit(number)


async def _cancel_after(task: asyncio.Task[int], turns: int | None) -> None:
    if turns is not None:
        await _turns(turns)
        task.cancel()


@settings(max_examples=150)
@given(st.lists(_CALLERS, max_size=16), st.integers(1, 5), st.sampled_from([0.0, 0.002]))
def test_every_caller_gets_its_own_answer_or_its_own_error(
    callers: list[_Caller], size: int, wait_s: float
) -> None:
    poisoned = frozenset(number for number, caller in enumerate(callers) if caller.poisoned)
    device = _Device(poisoned)

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(size, wait_s))
        tasks = [
            asyncio.create_task(_call(batcher, number, caller))
            for number, caller in enumerate(callers)
        ]
        leaving = (
            _cancel_after(task, caller.leaves) for task, caller in zip(tasks, callers, strict=True)
        )
        await asyncio.gather(*leaving)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for number, (caller, outcome) in enumerate(zip(callers, outcomes, strict=True)):
            if isinstance(outcome, asyncio.CancelledError):
                assert caller.leaves is not None
            elif caller.poisoned:
                assert isinstance(outcome, BatchError)
                assert f"poisoned by {number}" in str(outcome)
                assert isinstance(outcome.__cause__, ValueError)
            else:
                assert outcome == 2 * number
        assert await batcher.submit(1_000) == 2_000
        await batcher.close()

    _run(scenario)
    assert all(1 <= len(batch) <= size for batch in device.batches)
    assert len(device.threads) == 1
    for number in range(len(callers)):
        together = [batch for batch in device.batches if number in batch and len(batch) > 1]
        alone = [batch for batch in device.batches if batch == [number]]
        assert len(together) <= 1
        assert len(alone) <= 1


def test_while_a_batch_runs_the_next_one_gathers() -> None:
    device = _GatedDevice()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(3, 0.0))
        first = asyncio.create_task(batcher.submit(0))
        await device.entered()
        rest = [asyncio.create_task(batcher.submit(number)) for number in range(1, 6)]
        await _turns(5)
        device.let_go()
        assert await _all(first, *rest) == [0, 2, 4, 6, 8, 10]
        await batcher.close()

    _run(scenario)
    assert device.batches == [[0], [1, 2, 3], [4, 5]]


def test_items_whose_callers_left_never_reach_the_device() -> None:
    device = _GatedDevice()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(8, 0.0))
        first = asyncio.create_task(batcher.submit(0))
        await device.entered()
        departed, stayed = (asyncio.create_task(batcher.submit(number)) for number in (1, 2))
        await _turns(3)
        departed.cancel()
        await asyncio.gather(departed, return_exceptions=True)
        device.let_go()
        assert await _all(first, stayed) == [0, 4]
        await batcher.close()

    _run(scenario)
    assert device.batches == [[0], [2]]


def test_a_caller_may_leave_while_its_batch_runs() -> None:
    device = _GatedDevice()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(8, 0.0))
        running = asyncio.create_task(batcher.submit(0))
        await device.entered()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        device.let_go()
        assert await batcher.submit(1) == 2
        await batcher.close()

    _run(scenario)


class _LateGate(_GatedDevice):
    """Runs the first item at once and waits in the second batch."""

    def run(self, items: Sequence[int]) -> list[int]:
        return super().run(items) if self.batches else _Device.run(self, items)


def test_a_failed_batch_is_not_repeated_for_those_who_left_it() -> None:
    device = _LateGate(poisoned=frozenset({2}))

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(3, 60.0))
        assert await batcher.submit(0) == 0
        with batcher.announce():
            tasks = [asyncio.create_task(batcher.submit(number)) for number in (1, 2, 3)]
            await device.entered()
            tasks[2].cancel()
            device.let_go()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[0] == 2
        assert isinstance(outcomes[1], BatchError)
        await batcher.close()

    _run(scenario)
    assert device.batches == [[0], [1, 2, 3], [1], [2]]


def test_a_poisoned_item_fails_alone() -> None:
    device = _GatedDevice(poisoned=frozenset({2}))

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(8, 0.0))
        first = asyncio.create_task(batcher.submit(0))
        await device.entered()
        tasks = [asyncio.create_task(batcher.submit(number)) for number in (1, 2, 3)]
        await _turns(3)
        device.let_go()
        outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert outcomes[:2] + outcomes[3:] == [0, 2, 6]
        assert str(outcomes[2]) == "ValueError: poisoned by 2"
        await batcher.close()

    _run(scenario)
    assert device.batches == [[0], [1, 2, 3], [1], [2], [3]]


@pytest.mark.parametrize("wrong", [[], [1, 2, 3, 4, 5], None])
def test_a_wrong_number_of_results_is_an_error_for_all(wrong: Any) -> None:
    async def scenario() -> None:
        batcher: Batcher[int, int] = Batcher("test", lambda _: wrong, BatchLimits(3, 60.0))
        with batcher.announce():
            outcomes = await asyncio.gather(
                *(batcher.submit(number) for number in range(3)), return_exceptions=True
            )
        assert all(isinstance(outcome, BatchError) for outcome in outcomes)
        await batcher.close()

    _run(scenario)


@pytest.mark.parametrize("error", [RuntimeError("x"), StopIteration("x"), MemoryError("x")])
def test_whatever_the_device_raises_reaches_the_caller(error: Exception) -> None:
    def run(items: Sequence[int]) -> list[int]:
        raise error

    async def scenario() -> None:
        batcher = Batcher("test", run, BatchLimits(1, 0.0))
        for _ in range(2):
            with pytest.raises(BatchError, match="x"):
                await asyncio.wait_for(batcher.submit(1), 2)
        await batcher.close()

    _run(scenario)


def test_an_announced_item_is_waited_for() -> None:
    device = _Device()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(8, 60.0))
        with batcher.announce():
            first = asyncio.create_task(batcher.submit(1))
            await _turns(20)
            assert not device.batches
        assert await batcher.submit(2) == 4
        assert await first == 2
        await batcher.close()

    _run(scenario)
    assert device.batches == [[1, 2]]


def test_an_announced_item_that_never_comes_is_not_waited_for_longer() -> None:
    device = _Device()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(8, 60.0))
        with batcher.announce():
            first = asyncio.create_task(batcher.submit(1))
            await _turns(20)
        assert await first == 2
        await batcher.close()

    _run(scenario)


def test_the_wait_for_announced_items_ends() -> None:
    device = _Device()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(8, 0.01))
        with batcher.announce():
            assert await batcher.submit(1) == 2
        await batcher.close()

    _run(scenario)


def test_a_full_batch_goes_although_more_are_announced() -> None:
    device = _Device()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(2, 60.0))
        with batcher.announce():
            assert await _all(batcher.submit(1), batcher.submit(2)) == [2, 4]
        await batcher.close()

    _run(scenario)


def test_closing_finishes_the_running_batch_and_refuses_the_rest() -> None:
    device = _GatedDevice()

    async def scenario() -> None:
        batcher = Batcher("test", device.run, BatchLimits(1, 0.0))
        running = asyncio.create_task(batcher.submit(1))
        await device.entered()
        waiting = asyncio.create_task(batcher.submit(2))
        await _turns(2)
        closing = asyncio.create_task(batcher.close())
        await _turns(2)
        with pytest.raises(NotReady, match="stopping"):
            await batcher.submit(3)
        device.let_go()
        await closing
        assert await running == 2
        with pytest.raises(NotReady, match="stopping"):
            await waiting
        await batcher.close()

    _run(scenario)
    assert device.batches == [[1]]


def test_closing_does_not_wait_for_what_is_announced() -> None:
    async def scenario() -> None:
        batcher = Batcher("test", _Device().run, BatchLimits(8, 60.0))
        with batcher.announce():
            waiting = asyncio.create_task(batcher.submit(1))
            await _turns(5)
            await batcher.close()
        with pytest.raises(NotReady):
            await waiting

    _run(scenario)


_TIMES = st.floats(0, 1e6)


@given(st.integers(1, 50), _TIMES, _TIMES)
def test_a_lone_client_does_not_wait(waiting: int, first: float, now: float) -> None:
    assert wait_left(waiting, 0, first, now, BatchLimits(100, 60.0)) == 0.0


@given(st.integers(8, 50), st.integers(0, 50), _TIMES, _TIMES)
def test_a_full_batch_does_not_wait(waiting: int, others: int, first: float, now: float) -> None:
    assert wait_left(waiting, others, first, now, BatchLimits(8, 60.0)) == 0.0


@given(st.integers(1, 7), st.integers(1, 50), _TIMES, st.floats(0, 100))
def test_the_wait_counts_from_the_first_arrival(
    waiting: int, others: int, first: float, passed: float
) -> None:
    left = wait_left(waiting, others, first, first + passed, BatchLimits(8, 10.0))
    assert left == pytest.approx(max(0.0, 10.0 - passed), abs=1e-6)
