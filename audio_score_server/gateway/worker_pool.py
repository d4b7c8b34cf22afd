"""The workers: which of them serve, and how one takes another's place.

A worker listens on a socket of its own. While it serves, a link of a name that never changes leads
there, and that is the name Nginx knows: whether a worker gets requests is decided here, in an
instant, and Nginx need not be told.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway.machine import Event, Limits
from audio_score_server.gateway.member import Member
from audio_score_server.gateway.nginx import link_of
from audio_score_server.gateway.probe import ask
from audio_score_server.gateway.rundir import RunDir
from audio_score_server.gateway.upkeep import Upkeep
from audio_score_server.gateway.workers import Share, worker_program

_LOG = logging.getLogger(__name__)
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Crew:
    """What workers are made of.

    Attributes:
        shares: of the machine, one for each worker.
        flags: of the server.
        environment: the launcher's own.
        limits: of their lives.
        form: of the log.
    """

    shares: tuple[Share, ...]
    flags: Mapping[str, str | None]
    environment: Mapping[str, str]
    limits: Limits
    form: str


@dataclass(slots=True, eq=False)
class Worker:
    """A place among the workers, and the process that fills it.

    Attributes:
        index: number of the place.
        socket: on which the process listens.
        member: the process.
        restarts_before: of those that have had the place since the launcher's start.
    """

    index: int
    socket: Path
    member: Member
    restarts_before: int = 0

    @property
    def restarts(self) -> int:
        """How often the place had to be filled again because a process had failed."""
        return self.restarts_before + self.member.restarts


class Fleet:
    """All workers of a run.

    Attributes:
        crew: what workers are made of from now on.
        links: that lead to those that serve.
        workers: one for each place.
    """

    def __init__(self, rundir: RunDir, crew: Crew, on_change: Callable[[], None]) -> None:
        """Make as many as there are shares; they start with the first tick."""
        self.crew = crew
        self._rundir = rundir
        self._on_change = on_change
        self._generation = 0
        self._leaving: list[Worker] = []
        self.links = Upkeep(f"The links to the workers in {rundir.path}", self._link)
        self.workers: list[Worker] = []
        self.workers = [self._worker(index) for index in range(len(crew.shares))]

    def members(self) -> list[Member]:
        """Also those that are leaving."""
        return [worker.member for worker in (*self.workers, *self._leaving)]

    def apply(self, event: Event) -> None:
        """Let something happen to all of them."""
        for member in self.members():
            member.apply(event)

    def serving(self) -> list[Worker]:
        """Those that get requests: the ready ones; where there are none, those that ail."""
        for state in ("ready", "ailing"):
            chosen = [worker for worker in self.workers if worker.member.machine.state == state]
            if chosen:
                return chosen
        return []

    @property
    def settled(self) -> bool:
        """Whether each is ready or given up."""
        states = {worker.member.machine.state for worker in self.workers}
        return states <= {"ready", "given up"}

    @property
    def lost(self) -> bool:
        """Whether none is left that could serve."""
        return all(worker.member.machine.state == "given up" for worker in self.workers)

    def _link(self) -> None:
        serving = {worker.index: worker.socket.name for worker in self.serving()}
        for worker in self.workers:
            _set_link(self._rundir.path / link_of(worker.index), serving.get(worker.index))

    async def roll(self, crew: Crew) -> bool:
        """Replace the workers one at a time; whether all of them were.

        A new one that does not get ready is dropped, and those that are left stay what they are.
        """
        for index, old in enumerate(self.workers):
            self.crew, before = crew, self.crew
            new = self._worker(index)
            self._leaving.append(new)
            if not await self._is_ready(new):
                self.crew = before
                _LOG.error(
                    "%s with new settings %s: the others stay as they are.",
                    new.member.name,
                    new.member.machine.reason,
                )
                self._leaving.remove(new)
                return False
            self._leaving.remove(new)
            new.restarts_before = old.restarts
            self.workers[index] = new
            self.links.update()
            await self._dismiss(old)
        return True

    async def _is_ready(self, worker: Worker) -> bool:
        while not worker.member.machine.over:
            if worker.member.machine.state == "ready":
                return True
            await asyncio.sleep(0.05)
        self._forget(worker)
        return False

    async def _dismiss(self, worker: Worker) -> None:
        self._leaving.append(worker)
        worker.member.stop()
        await worker.member.over.wait()
        self._leaving.remove(worker)
        self._forget(worker)

    def _forget(self, worker: Worker) -> None:
        worker.socket.unlink(missing_ok=True)
        self._rundir.forget_uploads(worker.socket.stem)

    def stop(self) -> None:
        """Have all of them end in order."""
        for member in self.members():
            member.stop()

    def _worker(self, index: int) -> Worker:
        self._generation += 1
        generation, crew = self._generation, self.crew
        socket = self._rundir.path / f"worker-{index}.{generation}.sock"

        async def is_well(limit_s: float) -> bool | None:
            answer = await ask(socket, "/health/ready", limit_s)
            return None if answer is None else answer.status == _OK

        member = Member(
            lambda: worker_program(
                index,
                socket,
                self._rundir.uploads(socket.stem),
                crew.shares[index],
                crew.flags,
                crew.environment,
            ),
            is_well,
            crew.limits,
            crew.form,
            self._changed,
        )
        return Worker(index, socket, member)

    def _changed(self, _: Member) -> None:
        self.links.update()
        self._on_change()


def _set_link(link: Path, target: str | None) -> None:
    if target is None:
        link.unlink(missing_ok=True)
    elif not link.is_symlink() or link.readlink() != Path(target):
        new = link.with_suffix(".new.sock")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        os.replace(new, link)
