"""One process under supervision: its machine, its child, and the questions it is asked."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final

from audio_score_server.gateway.children import Child, Program
from audio_score_server.gateway.machine import (
    Action,
    Event,
    Exited,
    Heard,
    Limits,
    Machine,
    Stop,
    step,
)

_LOG = logging.getLogger(__name__)
_START_LOOK_S: Final = 0.1
_LOOK_S: Final = 2.0
_LOOKS: Final = 4
"""At least so many in the time after which silence is death."""
_CANNOT_START: Final = 127

Ask = Callable[[float], Awaitable[bool | None]]
"""Whether a process is well, asked within a time limit; None where it does not answer."""


class Member:
    """A process that is kept running until it is told to stop or given up."""

    def __init__(
        self,
        make: Callable[[], Program],
        ask: Ask,
        limits: Limits,
        form: str,
        on_change: Callable[[Member], None],
    ) -> None:
        """Make one that is started with the next tick.

        Args:
            make: the program, for each start; may prepare files.
            ask: the health check.
            limits: times and counts.
            form: of the log.
            on_change: told whenever its state has changed or it has been started.
        """
        self.machine = Machine.begin(time.monotonic())
        self.name = ""
        self.over = asyncio.Event()
        """Set when it has ended or been given up."""
        self.changed_at = time.time()
        self._make, self._ask, self._limits, self._form = make, ask, limits, form
        self._on_change = on_change
        self._child: Child | None = None
        self._left: list[Child] = []
        self._watch = asyncio.create_task(self._look(), name="health")

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._child.pid if self._child else None

    @property
    def pids(self) -> list[int]:
        """Also of those dead whose own children are still at work."""
        return [child.pid for child in (self._child, *self._left) if child is not None]

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.machine.starts - 1)

    @property
    def gone(self) -> bool:
        """Whether no process of it is left."""
        return self._child is None and not self._left

    def apply(self, event: Event) -> None:
        """Let something happen to it, and do what follows."""
        before = self.machine
        self.machine, actions = step(before, event, time.monotonic(), self._limits)
        for action in actions:
            self._act(action)
        self._left = [child for child in self._left if not child.reap_group()]
        if self.machine.state != before.state:
            self.changed_at = time.time()
            _tell(self.name, before, self.machine)
            self._on_change(self)
        if self.machine.over and not self.over.is_set():
            self._watch.cancel()
            self.over.set()

    def stop(self) -> None:
        """Have it end in order, for good."""
        self.apply(Stop())

    def send(self, number: int) -> None:
        """Send the process a signal, if there is one."""
        if self._child is not None:
            self._child.send(number)

    def kill(self) -> None:
        """End everything of it at once."""
        self._watch.cancel()
        for child in (self._child, *self._left):
            if child is not None:
                child.kill()

    def _act(self, action: Action) -> None:
        if action is Action.SPAWN:
            self._spawn()
        elif self._child is not None and action is Action.TERMINATE:
            self._child.ask_to_stop()
        elif self._child is not None:
            self._child.kill()

    def _spawn(self) -> None:
        try:
            program = self._make()
            self.name = program.name
            self._child = child = Child(program, self._form)
        except OSError as error:
            _LOG.error("%s cannot be started: %s.", self.name, error)
            asyncio.get_running_loop().call_soon(self.apply, Exited(_CANNOT_START))
            return
        child.watch(lambda code: self._ended(child, code))

    def _ended(self, child: Child, code: int) -> None:
        self._child = None
        if not child.reap_group():
            self._left.append(child)
            self._end_left(child)
        self.apply(Exited(code))

    def _end_left(self, child: Child) -> None:
        """What a dead process leaves behind: Nginx' own workers finish what they are at."""
        if child.program.stop == signal.SIGQUIT:
            child.send_group(signal.SIGQUIT)
            asyncio.get_running_loop().call_later(self._limits.stop_s, child.kill)
        else:
            child.kill()

    async def _look(self) -> None:
        pause_s = min(_LOOK_S, self._limits.silence_s / _LOOKS)
        while True:
            starting = self.machine.state in ("waiting", "starting")
            await asyncio.sleep(_START_LOOK_S if starting else pause_s)
            child = self._child
            if child is None:
                continue
            well = await self._ask(self._limits.silence_s)
            if well is not None and child is self._child:
                self.apply(Heard(well))


def _tell(name: str, before: Machine, after: Machine) -> None:
    now = time.monotonic()
    match after.state:
        case "ready":
            _LOG.info("%s is ready.", name)
        case "ailing":
            _LOG.warning("%s says that it is not well.", name)
        case "waiting":
            _LOG.warning("%s %s; next start in %.1f s.", name, after.reason, after.due - now)
        case "given up":
            _LOG.error("%s %s; it is given up.", name, after.reason)
        case "stopping" if after.fate != "end":
            _LOG.error("%s %s; it is stopped.", name, after.reason)
        case _:
            _LOG.debug("%s: %s, then %s.", name, before.state, after.state)
