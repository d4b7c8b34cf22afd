from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from audio_score_server.batching import Batcher, BatchLimits, BatchReport
from audio_score_server.errors import BatchError, DeviceMemoryError, NotReady, QueueFull
from tests.batches import HANG_S, Device, FatalError, GatedDevice, ask, batching, play, turns


def _start(batcher: Batcher[int, int], *items: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(ask(batcher, item)) for item in items]


async def _left(*tasks: asyncio.Task[int]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


async def _answers(*answers: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*answers, return_exceptions=True)


async def _settled(batcher: Batcher[int, int]) -> None:
    """Return when the batcher's thread, if the device is free, has looked at the queue again."""
    for _ in range(2):
        await batcher.call(lambda: None)


# What goes when, and with what


def test_what_comes_while_a_batch_runs_goes_together() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device, size=3) as batcher:
            tasks = _start(batcher, 0)
            assert await device.given() == [0]
            tasks += _start(batcher, 1, 2, 3, 4, 5)
            await turns()
            assert batcher.waiting == 5
            device.free()
            assert await _answers(*tasks) == [0, 2, 4, 6, 8, 10]
            assert batcher.waiting == 0
        assert device.runs == [[0], [1, 2, 3], [4, 5]]
        assert len(device.threads) == 1

    play(scenario)


def test_nobody_waits_for_anybody_where_none_is_announced() -> None:
    async def scenario() -> None:
        device = Device()
        async with batching(device) as batcher:
            for item in range(3):
                assert await ask(batcher, item) == 2 * item
        assert device.runs == [[0], [1], [2]]

    play(scenario)


def test_who_has_an_answer_is_not_waited_for() -> None:
    async def scenario() -> None:
        async with batching(Device()) as batcher:
            with batcher.admit() as ticket:
                await ticket.submit(1, 1.0)
                assert await ask(batcher, 2) == 4

    play(scenario)


def test_an_announced_item_is_waited_for() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device) as batcher:
            with batcher.admit() as ticket:
                (first,) = _start(batcher, 1)
                await turns()
                await _settled(batcher)
                assert device.idle
                second = asyncio.create_task(ticket.submit(2, 1.0))
                assert await device.given() == [1, 2]
                device.free()
                assert await first == 2
                assert (await second).result == 4

    play(scenario)


def test_an_announced_item_that_never_comes_is_not_waited_for_longer() -> None:
    async def scenario() -> None:
        device = Device()
        async with batching(device) as batcher:
            with batcher.admit():
                (first,) = _start(batcher, 1)
                await turns()
                await _settled(batcher)
                assert not device.runs
            assert await first == 2

    play(scenario)


def test_who_leaves_between_admission_and_submission_is_not_waited_for_longer() -> None:
    async def scenario() -> None:
        async with batching(Device()) as batcher:

            async def decode_forever() -> None:
                with batcher.admit():
                    await asyncio.Event().wait()

            decoding = asyncio.create_task(decode_forever())
            (first,) = _start(batcher, 1)
            await turns()
            decoding.cancel()
            assert await first == 2

    play(scenario)


def test_the_wait_for_announced_items_ends() -> None:
    async def scenario() -> None:
        async with batching(Device(), wait_s=0.01) as batcher:
            with batcher.admit():
                assert await ask(batcher, 1) == 2

    play(scenario)


def test_who_has_waited_long_enough_does_not_wait_for_those_who_came_later() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device, wait_s=0.3) as batcher:
            tasks = _start(batcher, 0)
            await device.given()
            tasks += _start(batcher, 1)
            await turns()
            while batcher.oldest_s < 0.3:
                await asyncio.sleep(0.02)
            with batcher.admit(), batcher.admit() as ticket:
                late = asyncio.create_task(ticket.submit(2, 1.0))
                await turns()
                device.free()
                assert (await late).queued_s < 0.3
            assert await _answers(*tasks) == [0, 2]
        assert device.runs == [[0], [1, 2]]

    play(scenario)


@pytest.mark.parametrize(("size", "seconds"), [(2, 1e9), (8, 2.0), (8, 2.9)])
def test_a_full_batch_goes_at_once(size: int, seconds: float) -> None:
    async def scenario() -> None:
        device = Device()
        async with batching(device, size=size, seconds=seconds) as batcher:
            with batcher.admit():
                assert await _answers(*_start(batcher, 1, 2)) == [2, 4]
        assert device.runs == [[1, 2]]

    play(scenario)


def test_items_of_one_length_go_together_and_those_left_behind_are_not_forgotten() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device, size=2) as batcher:
            tasks = _start(batcher, 0)
            await device.given()
            lengths = {1: 1.0, 2: 2.0, 3: 3.0, 4: 30.0, 5: 1.0, 6: 2.0, 7: 3.0}
            tasks += [asyncio.create_task(ask(batcher, *each)) for each in lengths.items()]
            await turns()
            device.free()
            await _answers(*tasks)
        assert device.runs == [[0], [1, 5], [2, 6], [3, 4], [7]]

    play(scenario)


# Those who leave


def test_what_was_left_in_the_queue_never_reaches_the_device() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device) as batcher:
            (first,) = _start(batcher, 0)
            await device.given()
            departed, stayed = _start(batcher, 1, 2)
            await turns()
            await _left(departed)
            device.free()
            assert await _answers(first, stayed) == [0, 4]
        assert device.runs == [[0], [2]]

    play(scenario)


def test_what_was_left_while_more_was_waited_for_never_reaches_the_device() -> None:
    async def scenario() -> None:
        device = Device()
        async with batching(device) as batcher:
            with batcher.admit() as ticket:
                (departed,) = _start(batcher, 1)
                await turns()
                await _left(departed)
                await _settled(batcher)
                assert batcher.waiting == 0
                assert (await ticket.submit(2, 1.0)).result == 4
        assert device.runs == [[2]]

    play(scenario)


def test_a_caller_may_leave_while_its_batch_runs() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device, size=2) as batcher:
            with batcher.admit():
                departed, stayed = _start(batcher, 1, 2)
                assert await device.given() == [1, 2]
            await _left(departed)
            device.free()
            assert await stayed == 4
            assert await ask(batcher, 3) == 6

    play(scenario)


def test_a_deadline_ends_a_submission() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device) as batcher:
            (running,) = _start(batcher, 0)
            await device.given()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await ask(batcher, 1)
            device.free()
            assert await running == 0
        assert device.runs == [[0]]

    play(scenario)


def test_a_failed_batch_is_not_repeated_for_those_who_left_it() -> None:
    async def scenario() -> None:
        device = GatedDevice({2: ValueError})
        async with batching(device, size=3) as batcher:
            with batcher.admit():
                first, second, third = _start(batcher, 1, 2, 3)
                await device.given()
            await _left(third)
            device.free()
            answers = await _answers(first, second)
            assert answers[0] == 2
            assert isinstance(answers[1], BatchError)
        assert device.runs == [[1, 2, 3], [1], [2]]

    play(scenario)


# What fails


def test_a_poisoned_item_fails_alone() -> None:
    async def scenario() -> None:
        device = Device({2: lambda: ValueError("poisoned by 2")})
        async with batching(device, size=3) as batcher:
            with batcher.admit():
                first, second, third = await _answers(*_start(batcher, 1, 2, 3))
            assert (first, third) == (2, 6)
            assert isinstance(second, BatchError)
            assert str(second) == "ValueError: poisoned by 2"
            assert isinstance(second.__cause__, ValueError)
        assert device.runs == [[1, 2, 3], [1], [2], [3]]

    play(scenario)


@pytest.mark.parametrize("wrong", [[], [1, 2, 3, 4, 5], None])
def test_a_wrong_number_of_results_is_an_error_for_all(wrong: Any) -> None:
    class Miscounting(Device):
        def run(self, items: Sequence[int]) -> list[int]:
            return wrong  # type: ignore[no-any-return]

    async def scenario() -> None:
        async with batching(Miscounting(), size=3) as batcher:
            with batcher.admit():
                answers = await _answers(*_start(batcher, 1, 2, 3))
        assert all(isinstance(answer, BatchError) for answer in answers)

    play(scenario)


@pytest.mark.parametrize("error", [RuntimeError("x"), StopIteration("x"), MemoryError("x")])
def test_whatever_the_device_raises_reaches_the_caller(error: Exception) -> None:
    async def scenario() -> None:
        async with batching(Device({1: lambda: error})) as batcher:
            for _ in range(2):
                with pytest.raises(BatchError, match="x"):
                    await ask(batcher, 1)
            assert await ask(batcher, 2) == 4

    play(scenario)


def test_too_little_memory_is_told_as_what_it_is() -> None:
    async def scenario() -> None:
        async with batching(Device({1: lambda: DeviceMemoryError("too little")})) as batcher:
            with pytest.raises(DeviceMemoryError, match=r"^too little$"):
                await ask(batcher, 1)

    play(scenario)


# A device that is lost


class _Deaths:
    """Told of by a batcher."""

    def __init__(self, batcher: Batcher[int, int]) -> None:
        self.errors: list[BaseException] = []
        batcher.on_death = self.errors.append


async def _refuses_everything(batcher: Batcher[int, int]) -> None:
    with pytest.raises(NotReady, match="failed"):
        await ask(batcher, 9)
    with pytest.raises(NotReady, match="failed"):
        await batcher.call(lambda: None)


def test_a_fatal_error_refuses_everyone_and_is_told_once() -> None:
    async def scenario() -> None:
        device = GatedDevice({1: lambda: FatalError("lost")})
        async with batching(device, size=2) as batcher:
            deaths = _Deaths(batcher)
            with batcher.admit() as late:
                running = _start(batcher, 1, 2)
                await device.given()
                queued = _start(batcher, 3, 4, 5)
                calling = asyncio.create_task(batcher.call(lambda: None))
                await turns()
                device.free()
                for answer in await _answers(*running):
                    assert isinstance(answer, BatchError)
                    assert isinstance(answer.__cause__, FatalError)
                for answer in await _answers(*queued, calling):
                    assert isinstance(answer, NotReady)
                with pytest.raises(NotReady):
                    await late.submit(6, 1.0)
            await _refuses_everything(batcher)
            await batcher.close()
            assert [str(error) for error in deaths.errors] == ["lost"]
            assert batcher.waiting == 0
        assert device.runs == [[1, 2]]

    play(scenario)


def test_an_error_that_turns_fatal_while_a_batch_is_repeated_refuses_the_rest_of_it() -> None:
    class Failing(Device):
        def run(self, items: Sequence[int]) -> list[int]:
            self.runs.append(list(items))
            raise ValueError if len(items) > 1 else FatalError

    async def scenario() -> None:
        device = Failing()
        async with batching(device, size=3) as batcher:
            deaths = _Deaths(batcher)
            with batcher.admit():
                first, second, third = await _answers(*_start(batcher, 1, 2, 3))
            assert isinstance(first, BatchError)
            assert isinstance(second, NotReady)
            assert isinstance(third, NotReady)
            await _refuses_everything(batcher)
            await batcher.close()
            assert len(deaths.errors) == 1
        assert device.runs == [[1, 2, 3], [1]]

    play(scenario)


class _SlowlyTold(FatalError):
    """Is told to one caller, and to no other until ``rest`` is set."""

    def __init__(self) -> None:
        self.rest = threading.Event()
        self._told = False

    def __str__(self) -> str:
        assert not self._told or self.rest.wait(HANG_S)
        self._told = True
        return "lost"


def test_who_is_told_of_a_fatal_error_is_not_let_in_again() -> None:
    async def scenario() -> None:
        error = _SlowlyTold()
        async with batching(Device({1: lambda: error}), size=2) as batcher:
            with batcher.admit():
                first, second = _start(batcher, 1, 2)
                with pytest.raises(BatchError, match="lost"):
                    await first
            with pytest.raises(NotReady, match="failed"), batcher.admit():
                pass
            error.rest.set()
            with pytest.raises(BatchError, match="lost"):
                await second

    play(scenario)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_ends_the_thread_leaves_nobody_waiting(error: BaseException) -> None:
    async def scenario() -> None:
        device = GatedDevice({1: lambda: error})
        async with batching(device, size=2) as batcher:
            deaths = _Deaths(batcher)
            with batcher.admit():
                tasks = _start(batcher, 1, 2)
                await device.given()
            tasks += _start(batcher, 3)
            await turns()
            device.free()
            assert [type(answer) for answer in await _answers(*tasks)] == [NotReady] * 3
            await _refuses_everything(batcher)
            await batcher.close()
            assert deaths.errors == [error]

    play(scenario)


def _raise(error: BaseException) -> Any:
    raise error


def test_a_report_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        device = Device()
        async with batching(device, size=2, wait_s=0.0) as batcher:
            deaths = _Deaths(batcher)
            batcher.on_batch = lambda _: _raise(LookupError("metrics"))
            for item in range(3):
                assert await ask(batcher, item) == 2 * item
            await _settled(batcher)
        assert not deaths.errors

    play(scenario)
    told = [record.getMessage() for record in caplog.records if "metrics" in record.getMessage()]
    assert len(told) == 1


def test_a_hook_that_fails_while_a_batch_is_repeated_leaves_nobody_waiting() -> None:
    async def scenario() -> None:
        device = Device({2: ValueError})
        async with batching(device, size=3) as batcher:
            deaths = _Deaths(batcher)
            batcher.is_fatal = lambda _: _raise(LookupError("is_fatal"))
            with batcher.admit():
                answers = await _answers(*_start(batcher, 1, 2, 3))
            assert all(answer == 2 or isinstance(answer, NotReady) for answer in answers)
            await _refuses_everything(batcher)
            await batcher.close()
            assert [str(error) for error in deaths.errors] == ["is_fatal"]

    play(scenario)


# Other work on the thread


def test_a_call_runs_between_batches_on_the_same_thread() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device) as batcher:
            at: list[tuple[int, int]] = []
            (first,) = _start(batcher, 1)
            await device.given()
            call = batcher.call(lambda: at.append((threading.get_ident(), len(device.runs))))
            calling = asyncio.create_task(call)
            (second,) = _start(batcher, 2)
            await turns()
            assert not at
            device.free()
            assert await _answers(first, second, calling) == [2, 4, None]
            assert at == [(*device.threads, 1)]
        assert device.runs == [[1], [2]]

    play(scenario)


@pytest.mark.parametrize("error", [LookupError("x"), FatalError("x")])
def test_a_call_passes_its_error_on_and_costs_nothing_else(error: Exception) -> None:
    async def scenario() -> None:
        async with batching(Device()) as batcher:
            with pytest.raises(type(error)) as caught:
                await batcher.call(lambda: _raise(error))
            assert caught.value is error
            assert await ask(batcher, 1) == 2

    play(scenario)


def test_a_call_that_stops_an_iteration_is_answered() -> None:
    async def scenario() -> None:
        async with batching(Device()) as batcher:
            with pytest.raises(RuntimeError) as caught:
                await batcher.call(lambda: next(iter(())))
            assert isinstance(caught.value.__cause__, StopIteration)
            assert await ask(batcher, 1) == 2

    play(scenario)


def test_a_call_that_ends_the_thread_leaves_nobody_waiting() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device) as batcher:
            deaths = _Deaths(batcher)
            (running,) = _start(batcher, 1)
            await device.given()
            calls = [batcher.call(lambda: _raise(SystemExit(3))), batcher.call(lambda: None)]
            waiting = [*map(asyncio.create_task, calls), *_start(batcher, 2)]
            await turns()
            device.free()
            assert await running == 2
            assert [type(answer) for answer in await _answers(*waiting)] == [NotReady] * 3
            await batcher.close()
            assert [type(error) for error in deaths.errors] == [SystemExit]

    play(scenario)


# How many are let in


def test_no_more_are_admitted_than_there_is_room_for() -> None:
    async def scenario() -> None:
        async with batching(Device(), wait_s=0.0, capacity=2) as batcher:
            for _ in range(2):
                with batcher.admit(), batcher.admit():
                    with pytest.raises(QueueFull, match="2 requests"), batcher.admit():
                        pass
                    with batcher.admit(bounded=False) as ticket:
                        assert (await ticket.submit(1, 1.0)).result == 2

    play(scenario)


def test_room_is_promised_when_the_measured_rate_will_have_made_it() -> None:
    async def scenario() -> None:
        reports: list[BatchReport] = []
        device = GatedDevice()
        async with batching(device, size=1, capacity=1) as batcher:
            batcher.on_batch = reports.append
            assert _retry_after_s(batcher, 1) == 1.0
            for item in range(3):
                (task,) = _start(batcher, item)
                await device.given()
                device.finish()
                await task
                await _settled(batcher)
                one = _retry_after_s(batcher, 1)
                assert one >= min(report.device_s for report in reports)
                assert _retry_after_s(batcher, 3) == pytest.approx(3 * one)

    play(scenario)


def test_the_rate_is_that_of_the_last_batches_from_end_to_end() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device, size=1, capacity=2) as batcher:
            tasks = _start(batcher, 1, 2)
            await device.given()
            while batcher.oldest_s < 0.3:
                await asyncio.sleep(0.02)
            first_ends = time.monotonic()
            device.finish()
            await device.given()
            await asyncio.sleep(0.05)
            device.finish()
            await _answers(*tasks)
            second_took = time.monotonic() - first_ends
            assert second_took < _retry_after_s(batcher, 2) / 2 < 0.3

    play(scenario)


def test_a_batch_that_is_repeated_one_by_one_measures_nothing() -> None:
    async def scenario() -> None:
        device = GatedDevice({2: ValueError})
        async with batching(device, size=2, capacity=4) as batcher:
            tasks = _start(batcher, 0, 1)
            await device.given()
            device.finish()
            await _answers(*tasks)
            await _settled(batcher)
            usual = _retry_after_s(batcher, 4)
            tasks = _start(batcher, 2, 3)
            await device.given()
            device.finish()
            for _ in range(2):
                await device.given()
                await asyncio.sleep(0.2)
                device.finish()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _settled(batcher)
            assert _retry_after_s(batcher, 4) == usual

    play(scenario)


def test_who_would_be_late_is_refused_once_two_batches_are_in() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device, size=2, capacity=50) as batcher:
            for callers in (1, 3):
                tasks = _start(batcher, *range(callers))
                for _ in range(callers - 1 or 1):
                    with ExitStack() as others:  # nothing is known before a batch was full
                        for _ in range(4):
                            others.enter_context(batcher.admit(left_s=1e-9))
                    await device.given()
                    device.finish()
                await _answers(*tasks)
                await _settled(batcher)
            with ExitStack() as others:
                for _ in range(4):
                    others.enter_context(batcher.admit(left_s=1e-9))
                with pytest.raises(QueueFull), batcher.admit(left_s=1e-9):
                    pass
                with batcher.admit(left_s=1e9), batcher.admit(bounded=False, left_s=0.0):
                    pass

    play(scenario)


def _retry_after_s(batcher: Batcher[int, int], others: int) -> float:
    with ExitStack() as stack:
        for _ in range(others):
            stack.enter_context(batcher.admit(bounded=False))
        with pytest.raises(QueueFull) as full, batcher.admit():
            pass
    return full.value.retry_after_s


# What is told


def test_what_was_measured_is_told() -> None:
    async def scenario() -> None:
        reports: list[BatchReport] = []
        device = GatedDevice()
        async with batching(device, size=2) as batcher:
            batcher.on_batch = reports.append
            with batcher.admit() as one, batcher.admit() as other:
                tasks = [asyncio.create_task(one.submit(1, 1.5))]
                await turns()
                assert batcher.waiting == 1
                assert 0 < batcher.oldest_s < HANG_S
                tasks.append(asyncio.create_task(other.submit(2, 2.0)))
                await device.given()
                assert (batcher.waiting, batcher.oldest_s) == (0, 0.0)
                device.free()
                first, second = await asyncio.gather(*tasks)
            await _settled(batcher)
        assert first.queued_s >= second.queued_s >= 0
        assert reports == [BatchReport(2, 3.5, first.device_s)]
        assert first.device_s == second.device_s > 0
        assert batcher.batches == 1

    play(scenario)


def test_nothing_is_kept_of_what_is_done() -> None:
    class Item:
        pass

    async def scenario() -> None:
        limits = BatchLimits(1, 0.0, 1e9)
        batcher: Batcher[Item, Item] = Batcher("test", list, limits, 1)
        item = Item()
        with batcher.admit() as ticket:
            outcome = await ticket.submit(item, 1.0)
        assert outcome.result is item
        reference = weakref.ref(item)
        del item, outcome, ticket
        await batcher.call(lambda: None)
        gc.collect()
        assert reference() is None
        await batcher.close()

    play(scenario)


# The end


def test_closing_finishes_the_running_batch_and_refuses_the_rest() -> None:
    async def scenario() -> None:
        device = GatedDevice({2: ValueError})
        async with batching(device, size=2) as batcher:
            deaths = _Deaths(batcher)
            with batcher.admit():
                running = _start(batcher, 1, 2)
                await device.given()
            (waiting,) = _start(batcher, 3)
            await turns()
            closing = asyncio.create_task(batcher.close())
            await turns()
            device.free()
            await closing
            first, poisoned, refused = await _answers(*running, waiting)
            assert first == 2
            assert isinstance(poisoned, BatchError)
            assert isinstance(refused, NotReady)
            assert not deaths.errors
        assert device.runs == [[1, 2], [1], [2]]

    play(scenario)


@pytest.mark.parametrize("closed", [False, True])
def test_who_comes_after_the_end_began_is_refused(closed: bool) -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device, size=1) as batcher:
            with batcher.admit() as late:
                (running,) = _start(batcher, 1)
                await device.given()
                closing = asyncio.create_task(batcher.close())
                await turns()
                if closed:
                    device.free()
                    await closing
                with pytest.raises(NotReady, match="stopping"):
                    await late.submit(2, 1.0)
                with pytest.raises(NotReady, match="stopping"), batcher.admit():
                    pass
                with pytest.raises(NotReady, match="stopping"):
                    await batcher.call(lambda: None)
            device.free()
            await closing
            await batcher.close()
            assert await running == 2

    play(scenario)


def test_closing_does_not_wait_for_what_is_announced() -> None:
    async def scenario() -> None:
        device = Device()
        async with batching(device) as batcher:
            with batcher.admit():
                (waiting,) = _start(batcher, 1)
                await turns()
                await batcher.close()
            with pytest.raises(NotReady):
                await waiting
        assert not device.runs

    play(scenario)


def test_calls_that_came_before_the_end_are_answered() -> None:
    async def scenario() -> None:
        device = GatedDevice()
        async with batching(device) as batcher:
            (running,) = _start(batcher, 1)
            await device.given()
            done: list[str] = []
            calling = asyncio.create_task(batcher.call(lambda: done.append("called")))
            await turns()
            closing = asyncio.create_task(batcher.close())
            await turns()
            device.free()
            assert await _answers(running, calling, closing) == [2, None, None]
            assert done == ["called"]

    play(scenario)


def test_an_event_loop_that_ends_during_a_batch_does_not_end_the_device() -> None:
    opened, entered = threading.Event(), threading.Event()

    def run(items: Sequence[int]) -> list[int]:
        entered.set()
        assert opened.wait(HANG_S)
        return [2 * item for item in items]

    batcher = Batcher("test", run, BatchLimits(8, 0.0, 1e9), 8)

    async def leave() -> None:
        _start(batcher, 1)
        assert await asyncio.to_thread(entered.wait, HANG_S)
        _start(batcher, 2)
        await turns()

    async def come_later() -> None:
        assert await ask(batcher, 3) == 6
        await batcher.close()

    play(leave)
    opened.set()
    play(come_later)
