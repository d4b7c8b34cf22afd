"""The life of one supervised process, as a function: state, event and time to state and actions.

waiting ──> starting ──> ready <──> ailing
   ^           │           │          │
   └───────────┴─ exits ───┴──────────┤
given up <── starts that fail         └──> stopping ──> waiting, given up or ended
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Literal

State = Literal["waiting", "starting", "ready", "ailing", "stopping", "given up", "ended"]
Fate = Literal["restart", "give up", "end"]
ALIVE: Final = ("starting", "ready", "ailing", "stopping")
OVER: Final = ("given up", "ended")
HOPELESS: Final = {2: "its settings are wrong", 3: "no model could be loaded"}
"""Exit codes of a server that another start will not change."""


class Action(Enum):
    """What is to be done to the process."""

    SPAWN = "spawn"
    TERMINATE = "terminate"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, and counts.

    Attributes:
        startup_s: from its start until it must be ready.
        silence_s: without an answer to a health check, after which it is killed.
        stop_s: from being told to stop until it is killed.
        ailing_s: how long it may say that it is not well.
        first_delay_s: before the first restart; doubled with each that follows.
        longest_delay_s: to which that grows.
        stable_s: of being ready, after which earlier failures are forgotten.
        failed_starts: in a row, after which it is given up.
        hopeless: exit codes of a failed start on which it is given up at once.
    """

    startup_s: float
    silence_s: float
    stop_s: float
    ailing_s: float = 60.0
    first_delay_s: float = 0.25
    longest_delay_s: float = 30.0
    stable_s: float = 60.0
    failed_starts: int = 5
    hopeless: frozenset[int] = field(default=frozenset(HOPELESS))


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """It answered a health check; ``well``: that it is ready."""

    well: bool


@dataclass(frozen=True, slots=True)
class Exited:
    """It has ended, with this exit code; negative: the signal that killed it."""

    code: int


@dataclass(frozen=True, slots=True)
class Stop:
    """It is wanted no more."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The supervisor itself stood still for so many seconds: its silence is nobody's fault."""

    seconds: float


Event = Tick | Heard | Exited | Stop | Paused


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a process is in its life.

    Attributes:
        state: that.
        since: when it came to it.
        due: when it is to be started, while it waits.
        heard: when it last answered; its start, before it did.
        well_since: when it first was ready in this life; None before.
        fate: what follows when it has been stopped.
        killed: whether it was killed for not stopping in time.
        failures: ends in a row that nobody asked for.
        failed_starts: of them, those in a row before it was ready.
        starts: how often it was started.
        reason: of its last end that nobody asked for.
    """

    state: State
    since: float
    due: float
    heard: float = 0.0
    well_since: float | None = None
    fate: Fate = "restart"
    killed: bool = False
    failures: int = 0
    failed_starts: int = 0
    starts: int = 0
    reason: str = ""

    @classmethod
    def begin(cls, now: float) -> Machine:
        """One that is started with the next tick."""
        return cls("waiting", now, due=now)

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.state in ALIVE

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in OVER


Step = tuple[Machine, tuple[Action, ...]]


def step(machine: Machine, event: Event, now: float, limits: Limits) -> Step:
    """What follows from an event, and what is to be done."""
    if machine.over:
        return machine, ()
    match event:
        case Tick():
            return _ticked(machine, now, limits)
        case Heard(well):
            return _heard(machine, well, now), ()
        case Exited(code):
            return (_exited(machine, code, now, limits) if machine.alive else machine), ()
        case Stop():
            return _stopped(machine, now)
        case Paused(seconds):
            return _paused(machine, seconds), ()


def _ticked(machine: Machine, now: float, limits: Limits) -> Step:
    if machine.state == "waiting":
        return _spawned(machine, now) if now >= machine.due else (machine, ())
    lasted = now - machine.since
    if machine.state == "starting" and lasted > limits.startup_s:
        reason = f"was not ready after {limits.startup_s:g} s"
        return _stopping(machine, now, "give up", reason, Action.KILL)
    if machine.state == "stopping":
        if lasted > limits.stop_s and not machine.killed:
            return replace(machine, killed=True), (Action.KILL,)
        return machine, ()
    if machine.state in ("ready", "ailing") and now - machine.heard > limits.silence_s:
        reason = f"did not answer for {limits.silence_s:g} s"
        return _stopping(machine, now, "restart", reason, Action.KILL)
    if machine.state == "ailing" and lasted > limits.ailing_s:
        reason = f"was not well for {limits.ailing_s:g} s"
        return _stopping(machine, now, "restart", reason, Action.TERMINATE)
    return machine, ()


def _spawned(machine: Machine, now: float) -> Step:
    started = replace(
        machine,
        state="starting",
        since=now,
        heard=now,
        well_since=None,
        killed=False,
        starts=machine.starts + 1,
    )
    return started, (Action.SPAWN,)


def _stopping(machine: Machine, now: float, fate: Fate, reason: str, action: Action) -> Step:
    stopping = replace(
        machine,
        state="stopping",
        since=now,
        fate=fate,
        reason=reason,
        killed=action is Action.KILL,
    )
    return stopping, (action,)


def _heard(machine: Machine, well: bool, now: float) -> Machine:
    heard = replace(machine, heard=now)
    if machine.state in ("starting", "ailing") and well:
        first = now if machine.well_since is None else machine.well_since
        return replace(heard, state="ready", since=now, well_since=first, failed_starts=0)
    if machine.state == "ready" and not well:
        return replace(heard, state="ailing", since=now)
    return heard


def _exited(machine: Machine, code: int, now: float, limits: Limits) -> Machine:
    if machine.state == "stopping" and machine.fate != "restart":
        state: State = "ended" if machine.fate == "end" else "given up"
        return replace(machine, state=state, since=now)
    stable = machine.well_since is not None and now - machine.well_since >= limits.stable_s
    failures = 1 if stable else machine.failures + 1
    failed_starts = machine.failed_starts + (machine.well_since is None)
    reason = machine.reason if machine.state == "stopping" else _told(code)
    ended = replace(
        machine, since=now, failures=failures, failed_starts=failed_starts, reason=reason
    )
    never_ready = machine.well_since is None
    if never_ready and (code in limits.hopeless or failed_starts >= limits.failed_starts):
        return replace(ended, state="given up")
    return replace(ended, state="waiting", due=now + delay_s(failures, limits))


def delay_s(failures: int, limits: Limits) -> float:
    """How long to wait before a restart after so many failures in a row, from 1 on."""
    # Bounded before it is raised: nobody counts on numbers without end.
    doublings = min(failures - 1, 32)
    return min(limits.longest_delay_s, limits.first_delay_s * 2.0**doublings)


def _told(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    meaning = f" ({HOPELESS[code]})" if code in HOPELESS else ""
    return f"ended with code {code}{meaning}"


def _stopped(machine: Machine, now: float) -> Step:
    if not machine.alive:
        return replace(machine, state="ended", since=now), ()
    if machine.state == "stopping":
        return replace(machine, fate="end"), ()
    return _stopping(machine, now, "end", machine.reason, Action.TERMINATE)


def _paused(machine: Machine, seconds: float) -> Machine:
    return replace(machine, since=machine.since + seconds, heard=machine.heard + seconds)
