"""The gateway as the front and the status tell of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from audio_score_server.gateway.fleet import Fleet
from audio_score_server.gateway.member import Member
from audio_score_server.gateway.metrics import ProcessState
from audio_score_server.gateway.rundir import RunDir
from audio_score_server.gateway.status import ProcessStatus, Status, write_status
from audio_score_server.gateway.upkeep import Upkeep
from audio_score_server.gateway.workers import Share


class Overview:
    """All processes of a run.

    Attributes:
        fleet: the workers.
        nginx: None before it is started.
        stopping: whether the launcher has been told to stop.
        started: when the launcher was, in seconds since 1970.
        files: of the run directory that tell of the processes.
    """

    def __init__(self, rundir: RunDir, fleet: Fleet, address: str) -> None:
        """``address``: where Nginx listens."""
        self.fleet = fleet
        self.nginx: Member | None = None
        self.stopping = False
        self.started = time.time()
        self._rundir, self._address = rundir, address
        self.files = Upkeep(f"The status in {rundir.path}", self._write)

    def members(self) -> list[Member]:
        """Every process under supervision."""
        return [*self.fleet.members(), *([self.nginx] if self.nginx else [])]

    def serving(self) -> dict[int, Path]:
        """See ``front.View``."""
        if self.stopping:
            return {}
        return {worker.index: worker.socket for worker in self.fleet.serving()}

    def running(self) -> dict[int, Path]:
        """See ``front.View``."""
        return {
            worker.index: worker.socket
            for worker in self.fleet.workers
            if worker.member.machine.alive
        }

    def states(self) -> list[ProcessState]:
        """See ``front.View``."""
        return [ProcessState(each.name, each.state, each.restarts) for each in self._processes()]

    def _write(self) -> None:
        self._rundir.record(pid for member in self.members() for pid in member.pids)
        write_status(
            self._rundir.path,
            Status(
                launcher=os.getpid(),
                address=self._address,
                state=self.state,
                since=self.started,
                processes=tuple(self._processes()),
            ),
        )

    @property
    def state(self) -> str:
        """See ``status.Status``."""
        if self.stopping:
            return "stopping"
        if self.nginx is None:
            return "starting"
        well = all(each.state == "ready" for each in self._processes())
        return "serving" if well else "degraded"

    def _processes(self) -> list[ProcessStatus]:
        fleet = self.fleet
        told = [
            _told(f"worker-{worker.index}", worker.member, worker.restarts, share)
            for worker, share in zip(fleet.workers, fleet.crew.shares, strict=True)
        ]
        if self.nginx is not None:
            told.append(_told("nginx", self.nginx, self.nginx.restarts, Share(None, None)))
        return told


def _told(name: str, member: Member, restarts: int, share: Share) -> ProcessStatus:
    return ProcessStatus(
        name=name,
        state=member.machine.state,
        since=member.changed_at,
        pid=member.pid,
        restarts=restarts,
        trouble=member.machine.reason,
        gpu=share.gpu,
        threads=share.threads,
    )
