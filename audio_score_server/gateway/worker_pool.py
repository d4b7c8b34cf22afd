"""The pool of workers: which of them serve, and how they are replaced.

A worker listens on a socket of its own. While it serves, a symbolic link leads there whose name
never changes, and that is the name Nginx knows: a worker gets requests or does not by its link
alone, at once and without a reload of Nginx.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway.files import BestEffortUpdate
from audio_score_server.gateway.nginx_config import worker_socket
from audio_score_server.gateway.probe import is_ok
from audio_score_server.gateway.process_state import State
from audio_score_server.gateway.run_dir import RunDir
from audio_score_server.gateway.supervised import SupervisedProcess
from audio_score_server.gateway.worker import WorkerConfig, worker_spec

_LOG = logging.getLogger(__name__)
_POLL_S: Final = 0.05


@dataclass(slots=True, eq=False)
class Worker:
    """A worker of the pool.

    Attributes:
        index: its number, from 0; its replacement has the same.
        socket: path of the Unix socket that its process listens on.
        supervised: the process.
        earlier_restarts: of the workers that it replaced.
    """

    index: int
    socket: Path
    supervised: SupervisedProcess
    earlier_restarts: int = 0

    @property
    def state(self) -> State:
        """Of its process."""
        return self.supervised.state

    @property
    def restarts(self) -> int:
        """How often a worker of this number was restarted since the supervisor's start."""
        return self.earlier_restarts + self.supervised.restarts


class WorkerPool:
    """All workers of a run.

    Attributes:
        config: what workers are started with.
        links: to the sockets of those that serve.
        workers: by number.
    """

    def __init__(
        self, run_dir: RunDir, config: WorkerConfig, on_change: Callable[[], None]
    ) -> None:
        """Make as many as ``config`` has resources for; they start with the first tick."""
        self.config = config
        self._run_dir = run_dir
        self._on_change = on_change
        self._generation = 0
        self._transient: list[Worker] = []
        """Replacements that are not ready yet, and the replaced that have not stopped yet."""
        self.links = BestEffortUpdate(f"The links to the workers in {run_dir.path}", self._link)
        self.workers: list[Worker] = []
        self.workers = [self._worker(index) for index in range(len(config.resources))]

    def processes(self) -> list[SupervisedProcess]:
        """Of all workers, those included that are coming or going."""
        return [worker.supervised for worker in (*self.workers, *self._transient)]

    def serving(self) -> list[Worker]:
        """Those that get requests: the ready ones; where there are none, the unhealthy ones."""
        for state in (State.READY, State.UNHEALTHY):
            chosen = [worker for worker in self.workers if worker.state == state]
            if chosen:
                return chosen
        return []

    @property
    def has_started(self) -> bool:
        """Whether each is ready or fatal."""
        return all(worker.state in (State.READY, State.FATAL) for worker in self.workers)

    @property
    def is_fatal(self) -> bool:
        """Whether all are."""
        return all(worker.state == State.FATAL for worker in self.workers)

    def describe_failure(self) -> str:
        """Why all are fatal, and the remedy."""
        processes = [(worker.supervised.name, worker.supervised.process) for worker in self.workers]
        errors = "; ".join(f"{name} {process.last_error}" for name, process in processes)
        remedy = "The lines above say why."
        if any(process.on_exit == State.FATAL for _, process in processes):
            remedy += " If time is all that they lack, allow more with --startup-timeout."
        return f"No worker is left: {errors}. {remedy}"

    async def replace(self, config: WorkerConfig) -> bool:
        """Replace the workers one at a time, each when its replacement is ready.

        Returns:
            Whether all were; after a replacement that does not get ready, the rest stay.
        """
        for index, old in enumerate(self.workers):
            self.config, before = config, self.config
            new = self._worker(index)
            self._transient.append(new)
            ready = await self._becomes_ready(new)
            self._transient.remove(new)
            if not ready:
                self.config = before
                _LOG.error(
                    "%s with new settings %s: the others stay as they are.",
                    new.supervised.name,
                    new.supervised.process.last_error,
                )
                return False
            new.earlier_restarts = old.restarts
            self.workers[index] = new
            self.links.update()
            await self._retire(old)
        return True

    async def _becomes_ready(self, worker: Worker) -> bool:
        while not worker.supervised.process.is_final:
            if worker.state == State.READY:
                return True
            await asyncio.sleep(_POLL_S)
        self._remove_files(worker)
        return False

    async def _retire(self, worker: Worker) -> None:
        self._transient.append(worker)
        worker.supervised.stop()
        await worker.supervised.finished.wait()
        self._transient.remove(worker)
        self._remove_files(worker)

    def _remove_files(self, worker: Worker) -> None:
        worker.socket.unlink(missing_ok=True)
        self._run_dir.remove_temp_dir(worker.socket.stem)

    def stop(self) -> None:
        """Have all of them shut down gracefully."""
        for process in self.processes():
            process.stop()

    def _worker(self, index: int) -> Worker:
        self._generation += 1
        config = self.config
        socket = self._run_dir.path / f"worker-{index}.{self._generation}.sock"
        supervised = SupervisedProcess(
            lambda: worker_spec(config, index, socket, self._run_dir.make_temp_dir(socket.stem)),
            lambda timeout_s: is_ok(socket, "/health/ready", timeout_s),
            config.policy,
            config.log_format,
            self._changed,
        )
        return Worker(index, socket, supervised)

    def _changed(self) -> None:
        self.links.update()
        self._on_change()

    def _link(self) -> None:
        targets = {worker.index: worker.socket.name for worker in self.serving()}
        for worker in self.workers:
            _set_link(self._run_dir.path / worker_socket(worker.index), targets.get(worker.index))


def _set_link(link: Path, target: str | None) -> None:
    if target is None:
        link.unlink(missing_ok=True)
    elif not link.is_symlink() or link.readlink() != Path(target):
        new = link.with_suffix(".new.sock")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        os.replace(new, link)
