from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.gateway.process_state import (
    RUNNING,
    Action,
    Event,
    Exited,
    ProbeResult,
    ProcessState,
    RestartPolicy,
    StopRequested,
    SupervisorPaused,
    Tick,
    backoff_s,
    transition,
)

POLICY: Final = RestartPolicy(startup_timeout_s=100, health_timeout_s=10, stop_timeout_s=20)
_EVENTS: Final = st.one_of(
    st.just(Tick()),
    st.builds(ProbeResult, st.booleans()),
    st.builds(Exited, st.sampled_from([0, 1, 2, 3, -9])),
    st.just(StopRequested()),
    st.builds(SupervisorPaused, st.floats(0, 100)),
)
_STEPS: Final = st.lists(st.tuples(_EVENTS, st.floats(0, 40)), max_size=60)


def _starting() -> ProcessState:
    process, actions = transition(ProcessState.initial(0), Tick(), 0, POLICY)
    assert (process.state, actions) == ("starting", (Action.SPAWN,))
    return process


def _ready() -> ProcessState:
    process, actions = transition(_starting(), ProbeResult(True), 1, POLICY)
    assert (process.state, actions) == ("ready", ())
    return process


def _after(
    process: ProcessState, *events: tuple[Event, float]
) -> tuple[ProcessState, tuple[Action, ...]]:
    actions: tuple[Action, ...] = ()
    for event, now in events:
        process, actions = transition(process, event, now, POLICY)
    return process, actions


@given(_STEPS)
@settings(deadline=None)
def test_there_is_one_process_at_a_time_and_only_it_is_signalled(
    steps: list[tuple[Event, float]],
) -> None:
    process, running, now = ProcessState.initial(0), False, 0.0
    for event, passed in steps:
        now += passed
        if isinstance(event, Exited):
            if not running:
                continue
            running = False
        was_final = process.is_final
        process, actions = transition(process, event, now, POLICY)
        for action in actions:
            assert running == (action is not Action.SPAWN)
            running = True
        assert running == (process.state in RUNNING)
        assert not (was_final and (actions or not process.is_final))


@given(_STEPS)
@settings(deadline=None)
def test_a_request_to_stop_always_ends_in_a_final_state(steps: list[tuple[Event, float]]) -> None:
    process, running, now = ProcessState.initial(0), False, 0.0
    for event, passed in steps:
        now += passed
        if isinstance(event, Exited) and not running:
            continue
        process, _ = transition(process, event, now, POLICY)
        running = process.is_running
    process, first = transition(process, StopRequested(), now, POLICY)
    now += POLICY.stop_timeout_s + 100 * len(steps) + 1  # later than any pause
    process, later = transition(process, Tick(), now, POLICY)
    if running:
        assert process.killed
        assert Action.SPAWN not in (*first, *later)
        process, _ = transition(process, Exited(-9), now, POLICY)
    assert process.is_final


@given(st.integers(1, 1_000))
@settings(deadline=None)
def test_the_backoff_grows_to_its_maximum(failures: int) -> None:
    backoff = backoff_s(failures, POLICY)
    assert POLICY.initial_backoff_s <= backoff <= POLICY.max_backoff_s
    assert backoff <= backoff_s(failures + 1, POLICY)
    assert backoff in (POLICY.max_backoff_s, POLICY.initial_backoff_s * 2 ** (failures - 1))


def test_the_backoff_grows_with_each_crash() -> None:
    process, now, waits = _ready(), 1.0, []
    for _ in range(10):
        process, _ = transition(process, Exited(-9), now, POLICY)
        assert process.state == "backoff"
        waits.append(process.restart_at - now)
        process, actions = transition(process, Tick(), process.restart_at - 0.01, POLICY)
        assert actions == ()
        now = process.restart_at
        process, actions = _after(process, (Tick(), now))
        assert actions == (Action.SPAWN,)
        process, _ = transition(process, ProbeResult(True), now, POLICY)
    assert waits[:4] == [0.25, 0.5, 1, 2]
    assert waits[-1] == POLICY.max_backoff_s
    assert process.last_error == "was killed by signal 9"


def test_failures_are_forgotten_after_a_stable_time() -> None:
    tried = replace(_ready(), failures=7)
    stable, _ = transition(tried, Exited(1), 1 + POLICY.stable_after_s, POLICY)
    shaky, _ = transition(tried, Exited(1), POLICY.stable_after_s, POLICY)
    assert (stable.failures, shaky.failures) == (1, 8)


@pytest.mark.parametrize(
    ("code", "starts", "error"),
    [
        (1, POLICY.max_failed_starts, "exited with code 1"),
        (-11, POLICY.max_failed_starts, "was killed by signal 11"),
        (2, 1, "exited with code 2 (its settings are wrong)"),
        (3, 1, "exited with code 3 (no model could be loaded)"),
    ],
)
def test_failed_starts_are_fatal(code: int, starts: int, error: str) -> None:
    process, now = ProcessState.initial(0), 0.0
    for _ in range(starts):
        assert not process.is_final
        now = max(now, process.restart_at)
        process, _ = _after(process, (Tick(), now), (Exited(code), now + 1))
        now += 1
    assert (process.state, process.starts, process.last_error) == ("fatal", starts, error)


def test_a_process_that_was_ready_is_never_fatal_for_exiting() -> None:
    process, now = _ready(), 1.0
    for _ in range(50):
        process, _ = transition(process, Exited(3), now, POLICY)
        now = process.restart_at
        process, _ = _after(process, (Tick(), now), (ProbeResult(True), now))
    assert process.state == "ready"


def test_a_start_that_takes_too_long_is_the_last() -> None:
    process, actions = _after(_starting(), (ProbeResult(False), 99), (Tick(), 100.5))
    assert (process.state, actions) == ("stopping", (Action.KILL,))
    process, actions = _after(process, (Exited(-9), 101))
    assert (process.state, actions) == ("fatal", ())
    assert process.last_error == "was not ready after 100 s"


def test_one_that_does_not_answer_is_killed_and_restarted() -> None:
    process, actions = _after(_ready(), (ProbeResult(True), 5), (Tick(), 15))
    assert (process.state, actions) == ("ready", ())
    process, actions = _after(process, (Tick(), 15.1))
    assert (process.state, actions) == ("stopping", (Action.KILL,))
    process, actions = _after(process, (Exited(-9), 15.2), (Tick(), 15.5))
    assert (process.state, actions) == ("starting", (Action.SPAWN,))
    assert process.last_error == "did not answer for 10 s"


def test_the_supervisors_own_pause_counts_for_nothing() -> None:
    paused, actions = _after(_ready(), (SupervisorPaused(1_000), 1_001), (Tick(), 1_002))
    assert (paused.state, actions) == ("ready", ())


def test_an_unhealthy_one_recovers_or_is_replaced() -> None:
    unhealthy, actions = _after(_ready(), (ProbeResult(False), 2), (ProbeResult(False), 61))
    assert (unhealthy.state, actions) == ("unhealthy", ())
    recovered, _ = _after(unhealthy, (ProbeResult(True), 62))
    assert recovered.state == "ready"
    replaced, actions = _after(unhealthy, (Tick(), 62.1))
    assert (replaced.state, actions) == ("stopping", (Action.TERMINATE,))
    replaced, actions = _after(replaced, (Exited(0), 63), (Tick(), 64))
    assert (replaced.state, actions) == ("starting", (Action.SPAWN,))


def test_one_that_does_not_stop_is_killed_once() -> None:
    process, actions = _after(_ready(), (StopRequested(), 2))
    assert actions == (Action.TERMINATE,)
    process, actions = _after(process, (Tick(), 22))
    assert actions == ()
    process, actions = _after(process, (Tick(), 22.1))
    assert (actions, process.killed) == ((Action.KILL,), True)
    process, actions = _after(process, (Tick(), 40))
    assert actions == ()
    process, actions = _after(process, (Exited(-9), 41))
    assert (process.state, actions) == ("stopped", ())
