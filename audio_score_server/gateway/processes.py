"""All processes of a gateway: the pool of workers and Nginx."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from audio_score_server.gateway.files import BestEffortUpdate, write_atomically
from audio_score_server.gateway.orphans import record_children
from audio_score_server.gateway.process_state import Event, State
from audio_score_server.gateway.run_dir import CHILDREN, STATUS, RunDir
from audio_score_server.gateway.status import ProcessStatus, Status
from audio_score_server.gateway.supervised import SupervisedProcess
from audio_score_server.gateway.worker import Resources
from audio_score_server.gateway.worker_pool import WorkerPool


class GatewayProcesses:
    """All processes of a run.

    Attributes:
        pool: the workers.
        nginx: None before it is started.
        stopping: whether the supervisor has been told to stop.
        started_at: when the supervisor was, in seconds since 1970.
        files: of the run directory that follow the processes' states.
    """

    def __init__(self, run_dir: RunDir, pool: WorkerPool, url: str) -> None:
        """``url``: where Nginx listens."""
        self.pool = pool
        self.nginx: SupervisedProcess | None = None
        self.stopping = False
        self.started_at = time.time()
        self._run_dir, self._url = run_dir, url
        self.files = BestEffortUpdate(f"The status in {run_dir.path}", self._write_files)

    def all(self) -> list[SupervisedProcess]:
        """Every process under supervision."""
        return [*self.pool.processes(), *([self.nginx] if self.nginx else [])]

    def apply(self, event: Event) -> None:
        """Apply an event to every process."""
        for process in self.all():
            process.apply(event)

    def serving_sockets(self) -> dict[int, Path]:
        """Sockets of the workers that get requests, by number."""
        if self.stopping:
            return {}
        return {worker.index: worker.socket for worker in self.pool.serving()}

    def running_sockets(self) -> dict[int, Path]:
        """Sockets of all workers that have a process, by number."""
        running = [worker for worker in self.pool.workers if worker.supervised.process.is_running]
        return {worker.index: worker.socket for worker in running}

    def status(self) -> Status:
        """As it is now."""
        pool = self.pool
        processes = [
            _status_of(f"worker-{worker.index}", worker.supervised, worker.restarts, resources)
            for worker, resources in zip(pool.workers, pool.config.resources, strict=True)
        ]
        if self.nginx is not None:
            processes.append(_status_of("nginx", self.nginx, self.nginx.restarts, Resources()))
        return Status(os.getpid(), self._url, self._state(), self.started_at, tuple(processes))

    def _state(self) -> str:
        if self.stopping:
            return "stopping"
        if self.nginx is None:
            return "starting"
        supervised = [*(worker.supervised for worker in self.pool.workers), self.nginx]
        return "serving" if all(each.state == State.READY for each in supervised) else "degraded"

    def _write_files(self) -> None:
        pids = [pid for process in self.all() for pid in process.session_ids]
        record_children(self._run_dir.path / CHILDREN, pids)
        text = json.dumps(asdict(self.status()), indent=2)
        write_atomically(self._run_dir.path / STATUS, text + "\n")


def _status_of(
    name: str, supervised: SupervisedProcess, restarts: int, resources: Resources
) -> ProcessStatus:
    return ProcessStatus(
        name=name,
        state=supervised.state,
        state_since=supervised.state_since,
        pid=supervised.pid,
        restarts=restarts,
        last_error=supervised.process.last_error,
        gpu=resources.gpu,
        cpu_threads=resources.cpu_threads,
    )
