from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.batching import BatchLimits
from audio_score_server.batching.policy import Waiting, choose, wait_left
from tests.batches import PATIENCE, fit, in_order

_TIMES = st.floats(0, 1e6)
_SECONDS = st.sampled_from([0.25, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0])
_LIMITS = st.builds(
    BatchLimits, st.integers(1, 6), st.just(10.0), st.sampled_from([2.0, 6.0, 10.0, 30.0, 1e9])
)
_QUEUES = st.lists(st.builds(Waiting, _SECONDS, st.integers(0, 4)), max_size=14)


def _of(*seconds: float) -> list[Waiting]:
    return [Waiting(each) for each in seconds]


@given(_QUEUES, _LIMITS)
def test_a_batch_keeps_its_limits(waiting: list[Waiting], limits: BatchLimits) -> None:
    chosen = choose(waiting, limits)
    assert chosen == sorted(set(chosen))
    assert all(0 <= place < len(waiting) for place in chosen)
    assert not chosen or fit([waiting[place].seconds for place in chosen], limits)


@given(_QUEUES, _LIMITS)
def test_the_oldest_always_goes(waiting: list[Waiting], limits: BatchLimits) -> None:
    assert choose(waiting, limits)[:1] == [0][: len(waiting)]


@given(_QUEUES, _LIMITS)
def test_nothing_is_left_that_would_still_fit(waiting: list[Waiting], limits: BatchLimits) -> None:
    chosen = choose(waiting, limits)
    going = [waiting[place].seconds for place in chosen]
    for place, each in enumerate(waiting):
        assert place in chosen or not fit([*going, each.seconds], limits)


@given(_QUEUES, _LIMITS)
def test_what_was_passed_over_too_often_comes_first(
    waiting: list[Waiting], limits: BatchLimits
) -> None:
    chosen = choose(waiting, limits)
    for place, each in enumerate(waiting):
        if each.passed < PATIENCE or place in chosen:
            continue
        before = [
            waiting[other].seconds
            for other in chosen
            if other == 0 or (other < place and waiting[other].passed >= PATIENCE)
        ]
        assert not fit([*before, each.seconds], limits)


def test_lengths_near_the_oldest_go_together() -> None:
    waiting = _of(2.0, 30.0, 2.5, 28.0, 1.8, 2.1)
    assert choose(waiting, BatchLimits(4, 0.0, 1e9)) == [0, 2, 4, 5]
    assert choose(waiting[1:], BatchLimits(2, 0.0, 1e9)) == [0, 2]


def test_equal_lengths_goin_order() -> None:
    assert choose(_of(*[3.0] * 9), BatchLimits(4, 0.0, 1e9)) == [0, 1, 2, 3]


def test_what_is_longer_than_a_batch_goes_alone() -> None:
    assert choose(_of(50.0, 1.0, 50.0), BatchLimits(8, 0.0, 10.0)) == [0]
    assert choose(_of(1.0, 50.0, 1.0), BatchLimits(8, 0.0, 10.0)) == [0, 2]


def test_a_batch_is_as_long_as_all_its_items_padded() -> None:
    limits = BatchLimits(8, 0.0, 12.0)
    assert choose(_of(4.0, 4.0, 4.0, 4.0), limits) == [0, 1, 2]
    assert choose(_of(1.0, 4.0, 4.0, 4.0), limits) == [0, 1, 2]
    assert choose(_of(4.0, 6.5), limits) == [0]
    assert choose(_of(4.0, 6.5, 1.0), limits) == [0, 2]


class _Queue:
    """Runs the policy, and counts for each item how many batches may go before it has gone."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self.waiting: list[Waiting] = []
        self._left: list[int] = []

    def come(self, lengths: Sequence[float]) -> None:
        for seconds in lengths:
            self.waiting.append(Waiting(seconds))
            before = [each.seconds for each in self.waiting]
            self._left.append(in_order(before, self._limits) + PATIENCE)

    def go(self) -> None:
        chosen = choose(self.waiting, self._limits)
        rest = [place for place in range(len(self.waiting)) if place not in chosen]
        assert all(left >= 1 for left in self._left)
        self.waiting = [
            replace(waiting, passed=waiting.passed + (place < max(chosen)))
            for place, waiting in enumerate(self.waiting)
            if place in rest
        ]
        self._left = [self._left[place] - 1 for place in rest]


@given(_LIMITS, st.lists(st.lists(_SECONDS, max_size=6), max_size=8))
def test_nobody_waits_much_longer_thanin_order(
    limits: BatchLimits, arrivals: list[list[float]]
) -> None:
    queue = _Queue(limits)
    for lengths in arrivals:
        queue.come(lengths)
        queue.go()
    while queue.waiting:
        queue.go()


@given(_QUEUES.filter(bool), _LIMITS, _TIMES, _TIMES)
def test_a_lone_caller_does_not_wait(
    waiting: list[Waiting], limits: BatchLimits, first: float, now: float
) -> None:
    assert wait_left(waiting, 0, first, now, limits) == 0.0


@given(_QUEUES.filter(bool), _LIMITS, st.integers(1, 50))
def test_a_batch_waits_only_while_it_could_grow(
    waiting: list[Waiting], limits: BatchLimits, others: int
) -> None:
    lengths = [each.seconds for each in waiting]
    could_grow = fit([*lengths, 0.0], limits)
    assert (wait_left(waiting, others, 0.0, 0.0, limits) > 0) == could_grow


@given(st.integers(1, 7), st.integers(1, 50), _TIMES, st.floats(0, 100))
def test_the_wait_counts_from_the_first_arrival(
    waiting: int, others: int, first: float, gone: float
) -> None:
    limits = BatchLimits(8, 10.0, 100.0)
    left = wait_left(_of(*[1.0] * waiting), others, first, first + gone, limits)
    assert left == pytest.approx(max(0.0, 10.0 - gone), abs=1e-6)
