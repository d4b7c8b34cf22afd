"""One process under supervision: its state, its child process and its health checks."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final

from audio_score_server.gateway.child import ChildProcess, ProcessSpec
from audio_score_server.gateway.process_state import (
    Action,
    Event,
    Exited,
    ProbeResult,
    ProcessState,
    RestartPolicy,
    State,
    StopRequested,
    transition,
)

_LOG = logging.getLogger(__name__)
_STARTUP_PROBE_INTERVAL_S: Final = 0.1
_PROBE_INTERVAL_S: Final = 2.0
_MIN_PROBES: Final = 4
"""Within the health timeout."""
_CANNOT_START: Final = 127

Probe = Callable[[float], Awaitable[bool | None]]
"""Whether a process is healthy, within a timeout in seconds; None where it does not answer."""


class SupervisedProcess:
    """A process that is kept running until it is told to stop, or fatal.

    Attributes:
        process: its state.
        name: in the log; empty before its first start.
        finished: set when it has stopped or is fatal.
        state_since: when it entered its state, in seconds since 1970.
    """

    def __init__(
        self,
        make_spec: Callable[[], ProcessSpec],
        probe: Probe,
        policy: RestartPolicy,
        log_format: str,
        on_change: Callable[[], None],
    ) -> None:
        """Make one that is started with the next tick.

        Args:
            make_spec: called for each start; may prepare files.
            probe: the health check.
            policy: timeouts and counts.
            log_format: ``text`` or ``json``.
            on_change: called whenever its state has changed.
        """
        self.process = ProcessState.initial(time.monotonic())
        self.name = ""
        self.finished = asyncio.Event()
        self.state_since = time.time()
        self._make_spec, self._probe, self._policy = make_spec, probe, policy
        self._log_format, self._on_change = log_format, on_change
        self._child: ChildProcess | None = None
        self._exited: list[ChildProcess] = []
        """Those whose own children still run."""
        self._probing = asyncio.create_task(self._probe_forever(), name="health")

    @property
    def state(self) -> State:
        """Where it is in its lifecycle."""
        return self.process.state

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._child.pid if self._child else None

    @property
    def session_ids(self) -> list[int]:
        """Of every session in which a process of it may run."""
        return [child.pid for child in self._children]

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.process.starts - 1)

    @property
    def is_gone(self) -> bool:
        """Whether no process of it is left."""
        return not self._children

    @property
    def _children(self) -> list[ChildProcess]:
        return [*([self._child] if self._child else []), *self._exited]

    def apply(self, event: Event) -> None:
        """Apply an event, and do what follows from it."""
        before = self.process
        self.process, actions = transition(before, event, time.monotonic(), self._policy)
        for action in actions:
            self._act(action)
        self._exited = [child for child in self._exited if not child.reap_group()]
        if self.state != before.state:
            self.state_since = time.time()
            self._log_change(before.state)
            self._on_change()
        if self.process.is_final and not self.finished.is_set():
            self._probing.cancel()
            self.finished.set()

    def stop(self) -> None:
        """Have it shut down gracefully, for good."""
        self.apply(StopRequested())

    def send_signal(self, number: int) -> None:
        """Send the process a signal, if there is one."""
        if self._child is not None:
            self._child.send_signal(number)

    def kill(self) -> None:
        """End all of its processes at once."""
        self._probing.cancel()
        for child in self._children:
            child.kill()

    def _act(self, action: Action) -> None:
        if action is Action.SPAWN:
            self._spawn()
        elif self._child is not None and action is Action.TERMINATE:
            self._child.terminate()
        elif self._child is not None:
            self._child.kill()

    def _spawn(self) -> None:
        try:
            spec = self._make_spec()
            self.name = spec.name
            self._child = child = ChildProcess(spec, self._log_format)
        except OSError as error:
            _LOG.error("%s cannot be started: %s.", self.name, error)
            asyncio.get_running_loop().call_soon(self.apply, Exited(_CANNOT_START))
            return
        child.watch(lambda code: self._on_exit(child, code))

    def _on_exit(self, child: ChildProcess, code: int) -> None:
        self._child = None
        if not child.reap_group():
            self._exited.append(child)
            self._end_group(child)
        self.apply(Exited(code))

    def _end_group(self, child: ChildProcess) -> None:
        """End what a dead process leaves; Nginx' own workers finish their requests before."""
        if child.spec.stop_signal == signal.SIGQUIT:
            child.send_signal_to_group(signal.SIGQUIT)
            asyncio.get_running_loop().call_later(self._policy.stop_timeout_s, child.kill)
        else:
            child.kill()

    async def _probe_forever(self) -> None:
        interval_s = min(_PROBE_INTERVAL_S, self._policy.health_timeout_s / _MIN_PROBES)
        while True:
            starting = self.state in (State.BACKOFF, State.STARTING)
            await asyncio.sleep(_STARTUP_PROBE_INTERVAL_S if starting else interval_s)
            child = self._child
            if child is None:
                continue
            healthy = await self._probe(self._policy.health_timeout_s)
            if healthy is not None and child is self._child:
                self.apply(ProbeResult(healthy))

    def _log_change(self, before: State) -> None:
        process = self.process
        match process.state:
            case State.READY:
                _LOG.info("%s is ready.", self.name)
            case State.UNHEALTHY:
                _LOG.warning("%s is unhealthy.", self.name)
            case State.BACKOFF:
                wait_s = process.restart_at - time.monotonic()
                _LOG.warning("%s %s; restart in %.1f s.", self.name, process.last_error, wait_s)
            case State.FATAL:
                _LOG.error("%s %s; it is not restarted.", self.name, process.last_error)
            case State.STOPPING if process.on_exit != State.STOPPED:
                _LOG.error("%s %s; stopping it.", self.name, process.last_error)
            case _:
                _LOG.debug("%s: %s, then %s.", self.name, before, process.state)
