"""The status of a gateway's processes, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.gpus import GpuAssignment
from audio_score_server.gateway.run_dir import STATUS, owner_of

_HEADER: Final = ("process", "state", "for", "pid", "restarts", "gpu", "threads", "last error")
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process.

    Attributes:
        name: ``worker-0``, ``nginx``.
        state: one of ``process_state.State``.
        state_since: when it entered that, in seconds since 1970.
        pid: None while there is no process.
        restarts: since the supervisor's start.
        last_error: why it last exited when nobody asked it to; empty for never.
        gpu: that a worker was given; None where it was given none.
        cpu_threads: that a worker was given; None where its settings decide.
    """

    name: str
    state: str
    state_since: float
    pid: int | None
    restarts: int
    last_error: str
    gpu: GpuAssignment = None
    cpu_threads: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The gateway.

    Attributes:
        pid: of the supervisor.
        url: where it listens.
        state: ``starting``, ``serving``, ``degraded`` or ``stopping``.
        started_at: when the supervisor was started, in seconds since 1970.
        processes: the workers and Nginx.
    """

    pid: int
    url: str
    state: str
    started_at: float
    processes: tuple[ProcessStatus, ...]


def read_status(run: Path) -> dict[str, Any]:
    """The status of the supervisor that uses a run directory.

    Raises:
        GatewayError: none uses it, or it cannot be read.
    """
    unused = GatewayError(
        f"No supervisor uses {run}. Start one with run_server_with_gate.py, or name its folder "
        "with --run-dir."
    )
    try:
        if owner_of(run) is None:
            raise unused
        status: dict[str, Any] = json.loads((run / STATUS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise unused from None
    except OSError as error:
        raise GatewayError(
            f"{run} cannot be read: {error.strerror}. Ask as the user who started the gateway."
        ) from None
    return status


def format_table(status: dict[str, Any], now: float) -> str:
    """A status for people; ``now`` is in seconds since 1970."""
    head = (
        f"{status['url']} is {status['state']}; supervisor {status['pid']}, up for "
        f"{format_duration(now - status['started_at'])}.\n"
    )
    rows = [_HEADER, *(_row(each, now) for each in status["processes"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return head + "\n".join(lines)


def _row(process: dict[str, Any], now: float) -> Sequence[str]:
    cells = (
        process["name"],
        process["state"],
        format_duration(now - process["state_since"]),
        *(process[name] for name in ("pid", "restarts", "gpu", "cpu_threads", "last_error")),
    )
    return ["-" if cell in (None, "") else str(cell) for cell in cells]


def format_duration(seconds: float) -> str:
    """A duration in the largest unit that it fills."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{max(0, round(seconds))} s"
