from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.gateway.machine import (
    ALIVE,
    Action,
    Event,
    Exited,
    Heard,
    Limits,
    Machine,
    Paused,
    Stop,
    Tick,
    delay_s,
    step,
)

LIMITS: Final = Limits(startup_s=100, silence_s=10, stop_s=20)
_EVENTS: Final = st.one_of(
    st.just(Tick()),
    st.builds(Heard, st.booleans()),
    st.builds(Exited, st.sampled_from([0, 1, 2, 3, -9])),
    st.just(Stop()),
    st.builds(Paused, st.floats(0, 100)),
)
_STEPS: Final = st.lists(st.tuples(_EVENTS, st.floats(0, 40)), max_size=60)


def _begun() -> Machine:
    machine, actions = step(Machine.begin(0), Tick(), 0, LIMITS)
    assert (machine.state, actions) == ("starting", (Action.SPAWN,))
    return machine


def _ready() -> Machine:
    machine, actions = step(_begun(), Heard(True), 1, LIMITS)
    assert (machine.state, actions) == ("ready", ())
    return machine


def _after(machine: Machine, *events: tuple[Event, float]) -> tuple[Machine, tuple[Action, ...]]:
    actions: tuple[Action, ...] = ()
    for event, now in events:
        machine, actions = step(machine, event, now, LIMITS)
    return machine, actions


@given(_STEPS)
@settings(deadline=None)
def test_there_is_one_process_at_a_time_and_only_it_is_signalled(
    steps: list[tuple[Event, float]],
) -> None:
    machine, running, now = Machine.begin(0), False, 0.0
    for event, passed in steps:
        now += passed
        if isinstance(event, Exited):
            if not running:
                continue
            running = False
        was_over = machine.over
        machine, actions = step(machine, event, now, LIMITS)
        for action in actions:
            assert running == (action is not Action.SPAWN)
            running = True
        assert running == (machine.state in ALIVE)
        assert not (was_over and (actions or not machine.over))


@given(_STEPS)
@settings(deadline=None)
def test_who_is_told_to_stop_ends(steps: list[tuple[Event, float]]) -> None:
    machine, running, now = Machine.begin(0), False, 0.0
    for event, passed in steps:
        now += passed
        if isinstance(event, Exited) and not running:
            continue
        machine, _ = step(machine, event, now, LIMITS)
        running = machine.alive
    machine, first = step(machine, Stop(), now, LIMITS)
    now += LIMITS.stop_s + 100 * len(steps) + 1  # later than any pause
    machine, later = step(machine, Tick(), now, LIMITS)
    if running:
        assert machine.killed
        assert Action.SPAWN not in (*first, *later)
        machine, _ = step(machine, Exited(-9), now, LIMITS)
    assert machine.over


@given(st.integers(1, 1_000))
@settings(deadline=None)
def test_delays_grow_to_their_cap(failures: int) -> None:
    delay = delay_s(failures, LIMITS)
    assert LIMITS.first_delay_s <= delay <= LIMITS.longest_delay_s
    assert delay <= delay_s(failures + 1, LIMITS)
    assert delay in (LIMITS.longest_delay_s, LIMITS.first_delay_s * 2 ** (failures - 1))


def test_a_crash_is_followed_by_a_start_later_and_later() -> None:
    machine, now, waits = _ready(), 1.0, []
    for _ in range(10):
        machine, _ = step(machine, Exited(-9), now, LIMITS)
        assert machine.state == "waiting"
        waits.append(machine.due - now)
        machine, actions = step(machine, Tick(), machine.due - 0.01, LIMITS)
        assert actions == ()
        now = machine.due
        machine, actions = _after(machine, (Tick(), now))
        assert actions == (Action.SPAWN,)
        machine, _ = step(machine, Heard(True), now, LIMITS)
    assert waits[:4] == [0.25, 0.5, 1, 2]
    assert waits[-1] == LIMITS.longest_delay_s
    assert machine.reason == "was killed by signal 9"


def test_failures_are_forgotten_after_a_stable_time() -> None:
    tried = replace(_ready(), failures=7)
    stable, _ = step(tried, Exited(1), 1 + LIMITS.stable_s, LIMITS)
    shaky, _ = step(tried, Exited(1), LIMITS.stable_s, LIMITS)
    assert (stable.failures, shaky.failures) == (1, 8)


@pytest.mark.parametrize(
    ("code", "starts", "reason"),
    [
        (1, LIMITS.failed_starts, "ended with code 1"),
        (-11, LIMITS.failed_starts, "was killed by signal 11"),
        (2, 1, "ended with code 2 (its settings are wrong)"),
        (3, 1, "ended with code 3 (no model could be loaded)"),
    ],
)
def test_starts_that_fail_are_given_up(code: int, starts: int, reason: str) -> None:
    machine, now = Machine.begin(0), 0.0
    for _ in range(starts):
        assert not machine.over
        now = max(now, machine.due)
        machine, _ = _after(machine, (Tick(), now), (Exited(code), now + 1))
        now += 1
    assert (machine.state, machine.starts, machine.reason) == ("given up", starts, reason)


def test_a_process_that_was_ready_is_never_given_up_for_ending() -> None:
    machine, now = _ready(), 1.0
    for _ in range(50):
        machine, _ = step(machine, Exited(3), now, LIMITS)
        now = machine.due
        machine, _ = _after(machine, (Tick(), now), (Heard(True), now))
    assert machine.state == "ready"


def test_a_start_that_takes_too_long_is_the_last() -> None:
    machine, actions = _after(_begun(), (Heard(False), 99), (Tick(), 100.5))
    assert (machine.state, actions) == ("stopping", (Action.KILL,))
    machine, actions = _after(machine, (Exited(-9), 101))
    assert (machine.state, actions) == ("given up", ())
    assert machine.reason == "was not ready after 100 s"


def test_silence_is_death_and_any_answer_is_life() -> None:
    machine, actions = _after(_ready(), (Heard(True), 5), (Tick(), 15))
    assert (machine.state, actions) == ("ready", ())
    machine, actions = _after(machine, (Tick(), 15.1))
    assert (machine.state, actions) == ("stopping", (Action.KILL,))
    machine, actions = _after(machine, (Exited(-9), 15.2), (Tick(), 15.5))
    assert (machine.state, actions) == ("starting", (Action.SPAWN,))
    assert machine.reason == "did not answer for 10 s"


def test_the_supervisors_own_pause_is_no_silence() -> None:
    paused, actions = _after(_ready(), (Paused(1_000), 1_001), (Tick(), 1_002))
    assert (paused.state, actions) == ("ready", ())


def test_one_that_ails_recovers_or_is_replaced() -> None:
    ailing, actions = _after(_ready(), (Heard(False), 2), (Heard(False), 61))
    assert (ailing.state, actions) == ("ailing", ())
    recovered, _ = _after(ailing, (Heard(True), 62))
    assert recovered.state == "ready"
    replaced, actions = _after(ailing, (Tick(), 62.1))
    assert (replaced.state, actions) == ("stopping", (Action.TERMINATE,))
    replaced, actions = _after(replaced, (Exited(0), 63), (Tick(), 64))
    assert (replaced.state, actions) == ("starting", (Action.SPAWN,))


def test_one_that_does_not_stop_is_killed_once() -> None:
    machine, actions = _after(_ready(), (Stop(), 2))
    assert actions == (Action.TERMINATE,)
    machine, actions = _after(machine, (Tick(), 22))
    assert actions == ()
    machine, actions = _after(machine, (Tick(), 22.1))
    assert (actions, machine.killed) == ((Action.KILL,), True)
    machine, actions = _after(machine, (Tick(), 40))
    assert actions == ()
    machine, actions = _after(machine, (Exited(-9), 41))
    assert (machine.state, actions) == ("ended", ())
