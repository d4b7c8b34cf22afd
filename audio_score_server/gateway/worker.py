"""How workers are started: flags, variables, and their resources of the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway.child import ProcessSpec
from audio_score_server.gateway.gpus import GpuAssignment, gpu_environment
from audio_score_server.gateway.process_state import RestartPolicy
from audio_score_server.settings.load import GATE_PREFIX, PREFIX

_THREADS: Final = PREFIX + "CPU_THREADS"
_RATE_LIMIT: Final = PREFIX + "RATE_LIMIT_PER_MINUTE"
_SYSTEMD: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables meant for the process that systemd has started, and for no other."""
_THREAD_POOLS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Of libraries that start a thread for each core when they are loaded, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What of the machine a worker may use.

    Attributes:
        gpu: see ``gpus``.
        cpu_threads: None where the operator's own settings decide.
    """

    gpu: GpuAssignment = None
    cpu_threads: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What the workers of a pool are started with.

    Attributes:
        resources: one for each worker.
        flags: of the server, without the dashes; None for not given.
        environment: the supervisor's own.
        policy: when they are restarted.
        log_format: ``text`` or ``json``.
    """

    resources: tuple[Resources, ...]
    flags: Mapping[str, str | None]
    environment: Mapping[str, str]
    policy: RestartPolicy
    log_format: str


def divide_threads(cores: int, workers: int) -> list[int]:
    """CPU threads of each worker: the cores divided among them, at least one each."""
    least, more = divmod(cores, workers)
    return [max(1, least + (index < more)) for index in range(workers)]


def worker_spec(config: WorkerConfig, index: int, socket: Path, temp_dir: Path) -> ProcessSpec:
    """How a worker is started.

    Args:
        config: of all workers.
        index: number of the worker, from 0.
        socket: path of the Unix socket that it listens on.
        temp_dir: for its temporary files.
    """
    given = {"socket": str(socket), **config.flags}
    flags = [f"--{name}={value}" for name, value in given.items() if value is not None]
    return ProcessSpec(
        name=f"worker-{index}",
        command=[sys.executable, "-m", "audio_score_server", "serve", *flags],
        environment=_environment(config.resources[index], temp_dir, config.environment),
    )


def _environment(
    resources: Resources, temp_dir: Path, inherited: Mapping[str, str]
) -> dict[str, str]:
    variables = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(GATE_PREFIX) and name not in _SYSTEMD
    }
    variables["TMPDIR"] = str(temp_dir)
    # Nginx counts the requests of all workers; each of them sees but its own.
    variables[_RATE_LIMIT] = "0"
    # The same package as this process's, from wherever it was started.
    package = str(Path(__file__).parents[2])
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [package, inherited.get("PYTHONPATH")]))
    if resources.cpu_threads is not None:
        variables[_THREADS] = str(resources.cpu_threads)
        for name in _THREAD_POOLS:
            variables.setdefault(name, str(resources.cpu_threads))
    return variables | gpu_environment(resources.gpu)
