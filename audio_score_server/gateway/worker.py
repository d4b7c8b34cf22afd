"""How workers are started: flags, variables, and their share of the machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway.children import Program
from audio_score_server.gateway.gpus import Assignment, environment_of
from audio_score_server.settings.load import GATE_PREFIX, PREFIX

_THREADS: Final = PREFIX + "CPU_THREADS"
_RATE: Final = PREFIX + "RATE_LIMIT_PER_MINUTE"
_FOR_THE_LAUNCHER: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What systemd says to the process that it has started, and to no other."""
_LIBRARIES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Which start a thread for each core as soon as they are loaded, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Share:
    """What of the machine a worker gets.

    Attributes:
        gpu: see ``gpus``.
        threads: processor threads; None where the operator has said how many.
    """

    gpu: Assignment
    threads: int | None


def threads_of(cores: int, workers: int) -> list[int]:
    """Cores divided among workers, at least one each."""
    least, more = divmod(cores, workers)
    return [max(1, least + (index < more)) for index in range(workers)]


def worker_program(
    index: int,
    socket: Path,
    uploads: Path,
    share: Share,
    flags: Mapping[str, str | None],
    inherited: Mapping[str, str],
) -> Program:
    """The program of a worker.

    Args:
        index: its number.
        socket: on which it listens.
        uploads: folder of its temporary files.
        share: of the machine.
        flags: further ones of the server, without the dashes; None for not given.
        inherited: the launcher's own environment.
    """
    given = {"socket": str(socket), **flags}
    words = [f"--{name}={value}" for name, value in given.items() if value is not None]
    return Program(
        name=f"worker-{index}",
        command=[sys.executable, "-m", "audio_score_server", "serve", *words],
        environment=_environment(uploads, share, inherited),
        on_death=signal.SIGKILL,
        stop=signal.SIGTERM,
    )


def _environment(uploads: Path, share: Share, inherited: Mapping[str, str]) -> dict[str, str]:
    variables = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(GATE_PREFIX) and name not in _FOR_THE_LAUNCHER
    }
    variables["TMPDIR"] = str(uploads)
    # Nginx counts, over all workers; each of them knows but its own part.
    variables[_RATE] = "0"
    # As this process was found, from wherever it was started.
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [_root(), inherited.get("PYTHONPATH")]))
    if share.threads is not None:
        variables[_THREADS] = str(share.threads)
        for name in _LIBRARIES:
            variables.setdefault(name, str(share.threads))
    return variables | environment_of(share.gpu)


def _root() -> str:
    return str(Path(__file__).parents[2])
