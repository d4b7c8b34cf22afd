"""The lifecycle of one supervised process, as a pure function of state, event and time.

    BACKOFF ──> STARTING ──> READY <──> UNHEALTHY
       ^           │           │            │
       └───────────┴── exits ──┴────────────┤
    FATAL <── failed starts                 └──> STOPPING ──> BACKOFF, FATAL or STOPPED

The states have supervisord's names, and where it has none, those of container health checks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Final


class State(StrEnum):
    """Where a process is in its lifecycle."""

    BACKOFF = "backoff"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    STOPPING = "stopping"
    FATAL = "fatal"
    STOPPED = "stopped"


RUNNING: Final = (State.STARTING, State.READY, State.UNHEALTHY, State.STOPPING)
FINAL_STATES: Final = (State.FATAL, State.STOPPED)
NON_RETRYABLE: Final = {2: "its settings are wrong", 3: "no model could be loaded"}
"""Exit codes of a server that another start will not change."""


class Action(Enum):
    """What is to be done to the process."""

    SPAWN = "spawn"
    TERMINATE = "terminate"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Timeouts in seconds, and counts.

    Attributes:
        startup_timeout_s: from its start until it must be ready.
        health_timeout_s: without an answer to a health check, after which it is killed.
        stop_timeout_s: from the request to stop until it is killed.
        unhealthy_timeout_s: how long it may report that it is unhealthy.
        initial_backoff_s: before the first restart; doubled with each that follows.
        max_backoff_s: to which that grows.
        stable_after_s: of being ready, after which earlier failures are forgotten.
        max_failed_starts: in a row, after which it is fatal.
        non_retryable: exit codes of a failed start that are fatal at once.
    """

    startup_timeout_s: float
    health_timeout_s: float
    stop_timeout_s: float
    unhealthy_timeout_s: float = 60.0
    initial_backoff_s: float = 0.25
    max_backoff_s: float = 30.0
    stable_after_s: float = 60.0
    max_failed_starts: int = 5
    non_retryable: frozenset[int] = field(default=frozenset(NON_RETRYABLE))


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """It answered a health check; ``healthy``: that it is ready."""

    healthy: bool


@dataclass(frozen=True, slots=True)
class Exited:
    """It has exited with this code; negative: the signal that killed it."""

    code: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """It is to stop for good."""


@dataclass(frozen=True, slots=True)
class SupervisorPaused:
    """The supervisor itself stood still for so many seconds, in which it probed nobody."""

    seconds: float


Event = Tick | ProbeResult | Exited | StopRequested | SupervisorPaused


@dataclass(frozen=True, slots=True)
class ProcessState:
    """State of a process, and what the next ones depend on; times are of a monotonic clock.

    Attributes:
        state: where it is in its lifecycle.
        since: when it entered the state.
        restart_at: when it is to be started, in backoff.
        last_answer_at: when it last answered a health check; its start, before it did.
        ready_at: when it first was ready since its start; None before.
        on_exit: state that follows when a process that is stopping has exited.
        killed: whether it was killed for not stopping in time.
        failures: exits in a row that nobody asked for.
        failed_starts: of them, those in a row before it was ready.
        starts: how often it was started.
        last_error: why it last exited without being asked to; empty for never.
    """

    state: State
    since: float
    restart_at: float
    last_answer_at: float = 0.0
    ready_at: float | None = None
    on_exit: State = State.BACKOFF
    killed: bool = False
    failures: int = 0
    failed_starts: int = 0
    starts: int = 0
    last_error: str = ""

    @classmethod
    def initial(cls, now: float) -> ProcessState:
        """One that is started with the next tick."""
        return cls(State.BACKOFF, now, restart_at=now)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.state in RUNNING

    @property
    def is_final(self) -> bool:
        """Whether it is neither running nor going to be started again."""
        return self.state in FINAL_STATES


Transition = tuple[ProcessState, tuple[Action, ...]]


def transition(
    process: ProcessState, event: Event, now: float, policy: RestartPolicy
) -> Transition:
    """The state that follows from an event, and what is to be done."""
    if process.is_final:
        return process, ()
    match event:
        case Tick():
            return _tick(process, now, policy)
        case ProbeResult(healthy):
            return _probed(process, healthy, now), ()
        case Exited(code):
            return (_exited(process, code, now, policy) if process.is_running else process), ()
        case StopRequested():
            return _stop_requested(process, now)
        case SupervisorPaused(seconds):
            since, answered = process.since + seconds, process.last_answer_at + seconds
            return replace(process, since=since, last_answer_at=answered), ()


def _tick(process: ProcessState, now: float, policy: RestartPolicy) -> Transition:
    state, elapsed = process.state, now - process.since
    if state == State.BACKOFF:
        return _spawn(process, now) if now >= process.restart_at else (process, ())
    if state == State.STARTING and elapsed > policy.startup_timeout_s:
        error = f"was not ready after {policy.startup_timeout_s:g} s"
        return _stop(process, now, State.FATAL, error, Action.KILL)
    if state == State.STOPPING:
        if elapsed > policy.stop_timeout_s and not process.killed:
            return replace(process, killed=True), (Action.KILL,)
        return process, ()
    if state != State.STARTING and now - process.last_answer_at > policy.health_timeout_s:
        error = f"did not answer for {policy.health_timeout_s:g} s"
        return _stop(process, now, State.BACKOFF, error, Action.KILL)
    if state == State.UNHEALTHY and elapsed > policy.unhealthy_timeout_s:
        error = f"was unhealthy for {policy.unhealthy_timeout_s:g} s"
        return _stop(process, now, State.BACKOFF, error, Action.TERMINATE)
    return process, ()


def _spawn(process: ProcessState, now: float) -> Transition:
    starting = replace(
        process,
        state=State.STARTING,
        since=now,
        last_answer_at=now,
        ready_at=None,
        killed=False,
        starts=process.starts + 1,
    )
    return starting, (Action.SPAWN,)


def _stop(
    process: ProcessState, now: float, on_exit: State, last_error: str, action: Action
) -> Transition:
    stopping = replace(
        process,
        state=State.STOPPING,
        since=now,
        on_exit=on_exit,
        last_error=last_error,
        killed=action is Action.KILL,
    )
    return stopping, (action,)


def _probed(process: ProcessState, healthy: bool, now: float) -> ProcessState:
    probed = replace(process, last_answer_at=now)
    if process.state in (State.STARTING, State.UNHEALTHY) and healthy:
        first = now if process.ready_at is None else process.ready_at
        return replace(probed, state=State.READY, since=now, ready_at=first, failed_starts=0)
    if process.state == State.READY and not healthy:
        return replace(probed, state=State.UNHEALTHY, since=now)
    return probed


def _exited(process: ProcessState, code: int, now: float, policy: RestartPolicy) -> ProcessState:
    stopping, never_ready = process.state == State.STOPPING, process.ready_at is None
    if stopping and process.on_exit != State.BACKOFF:
        return replace(process, state=process.on_exit, since=now)
    stable = process.ready_at is not None and now - process.ready_at >= policy.stable_after_s
    failures = 1 if stable else process.failures + 1
    exited = replace(
        process,
        since=now,
        failures=failures,
        failed_starts=process.failed_starts + never_ready,
        last_error=process.last_error if stopping else _describe(code),
    )
    exhausted = exited.failed_starts >= policy.max_failed_starts
    if never_ready and (code in policy.non_retryable or exhausted):
        return replace(exited, state=State.FATAL)
    return replace(exited, state=State.BACKOFF, restart_at=now + backoff_s(failures, policy))


def backoff_s(failures: int, policy: RestartPolicy) -> float:
    """Seconds to wait before a restart after so many failures in a row, from 1 on."""
    # Bounded, or the power would overflow.
    doublings = min(failures - 1, 32)
    return min(policy.max_backoff_s, policy.initial_backoff_s * 2.0**doublings)


def _describe(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    meaning = f" ({NON_RETRYABLE[code]})" if code in NON_RETRYABLE else ""
    return f"exited with code {code}{meaning}"


def _stop_requested(process: ProcessState, now: float) -> Transition:
    if not process.is_running:
        return replace(process, state=State.STOPPED, since=now), ()
    if process.state == State.STOPPING:
        return replace(process, on_exit=State.STOPPED), ()
    return _stop(process, now, State.STOPPED, process.last_error, Action.TERMINATE)
