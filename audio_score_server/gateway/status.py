"""How the processes of a gateway are, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.gpus import Assignment
from audio_score_server.gateway.rundir import STATUS, owner_of, write_whole

_HEAD: Final = ("process", "state", "for", "pid", "restarts", "gpu", "threads", "last trouble")
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process.

    Attributes:
        name: ``worker-0``, ``nginx``.
        state: where it is in its life.
        since: when it came to that, in seconds since 1970.
        pid: None while there is no process.
        restarts: since the launcher's start.
        trouble: how it last ended when nobody asked it to; empty for never.
        gpu: that a worker was given; None where nobody has said.
        threads: that a worker was given.
    """

    name: str
    state: str
    since: float
    pid: int | None
    restarts: int
    trouble: str
    gpu: Assignment = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The gateway.

    Attributes:
        launcher: its process number.
        address: where it listens.
        state: ``starting``, ``serving``, ``degraded`` or ``stopping``.
        since: when the launcher was started, in seconds since 1970.
        processes: of it.
    """

    launcher: int
    address: str
    state: str
    since: float
    processes: tuple[ProcessStatus, ...]


def write_status(run: Path, status: Status) -> None:
    """Put it where ``read_status`` looks."""
    write_whole(run / STATUS, json.dumps(asdict(status), indent=2) + "\n")


def read_status(run: Path) -> dict[str, Any]:
    """The status of the launcher that has a run directory.

    Raises:
        GatewayError: there is none.
    """
    nobody = GatewayError(
        f"No launcher uses {run}. Start one with run_server_with_gate.py, or name its folder with "
        "--run-dir."
    )
    try:
        if owner_of(run) is None:
            raise nobody
        status: dict[str, Any] = json.loads((run / STATUS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise nobody from None
    except OSError as error:
        raise GatewayError(
            f"{run} cannot be read: {error.strerror}. Ask as the user who started the gateway."
        ) from None
    return status


def table(status: dict[str, Any], now: float) -> str:
    """For people; ``now`` is in seconds since 1970."""
    head = (
        f"{status['address']} is {status['state']}; launcher {status['launcher']}, up for "
        f"{lasting(now - status['since'])}.\n"
    )
    rows = [_HEAD, *(_row(each, now) for each in status["processes"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return head + "\n".join(_line(row, widths) for row in rows)


def _row(process: dict[str, Any], now: float) -> Sequence[str]:
    return (
        process["name"],
        process["state"],
        lasting(now - process["since"]),
        _cell(process["pid"]),
        str(process["restarts"]),
        _cell(process["gpu"]),
        _cell(process["threads"]),
        _cell(process["trouble"]),
    )


def _cell(value: object) -> str:
    return "-" if value in (None, "") else str(value)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def lasting(seconds: float) -> str:
    """A time in the largest unit that it fills."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{max(0, round(seconds))} s"
