"""Processes that a crashed supervisor has left behind are ended by the next one."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway.files import write_atomically

_LOG = logging.getLogger(__name__)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_EXIT_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Orphan:
    """A session's leader that a supervisor has started.

    Attributes:
        pid: of the process, and of its session.
        started: when it was, in clock ticks since boot; 0 where it has exited.
    """

    pid: int
    started: int


def record_children(path: Path, pids: Iterable[int]) -> None:
    """Write down which processes are ours, for ``recorded_children`` after a crash.

    Raises:
        OSError: it cannot be written; the record before stays.
    """
    children = [asdict(Orphan(pid, _start_time(pid))) for pid in pids]
    write_atomically(path, json.dumps({"boot": _boot_id(), "children": children}))


def recorded_children(path: Path) -> list[Orphan]:
    """Those written down since the machine was started; none where that cannot be read."""
    try:
        record = json.loads(path.read_text())
        if record["boot"] != _boot_id():
            return []
        return [Orphan(int(each["pid"]), int(each["started"])) for each in record["children"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def end_orphans(recorded: Iterable[Orphan]) -> None:
    """Kill the processes, and all of their sessions, that are still what they were."""
    found = _surviving({each.pid: each for each in recorded})
    for pid in found:
        _LOG.warning("Ending process %d, which a crashed supervisor left behind.", pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _EXIT_TIMEOUT_S
    while any(_is_alive(pid) for pid in found) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _surviving(recorded: dict[int, Orphan]) -> list[int]:
    sessions = dict(_sessions()) if recorded else {}
    # A number that has been given to another process since leads a session that is not ours.
    reused = {
        pid
        for pid, each in recorded.items()
        if pid in sessions and _start_time(pid) != each.started
    }
    ours = recorded.keys() - reused
    return [pid for pid, session in sessions.items() if session in ours]


def _sessions() -> Iterator[tuple[int, int]]:
    """The session of every process."""
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            yield int(entry), os.getsid(int(entry))


def _stat(pid: int) -> list[str]:
    """Fields of a process from its state on; 19 is its start."""
    # Its name, in brackets, may hold anything.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _start_time(pid: int) -> int:
    try:
        return int(_stat(pid)[19])
    except (OSError, IndexError):
        return 0


def _is_alive(pid: int) -> bool:
    try:
        return _stat(pid)[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()
