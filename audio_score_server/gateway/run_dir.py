"""The run directory: one launcher at a time, and nothing left of those before."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway import nginx
from audio_score_server.gateway.errors import GatewayError

_LOG = logging.getLogger(__name__)
LOCK: Final = "gateway.lock"
CHILDREN: Final = "children.json"
STATUS: Final = "status.json"
UPLOADS: Final = "worker_temp"
"""Folder of the workers' temporary files, below the log directory."""
_OURS: Final = (
    *("*.sock", f"{nginx.CONFIG}*", nginx.PID, f"{nginx.PID}.oldbin"),
    *(nginx.CERTIFICATE, nginx.KEY, f"{CHILDREN}*", f"{STATUS}*"),
)
_MODE: Final = 0o750
_LONGEST_SOCKET: Final = 107
"""Bytes that Linux allows for a socket's path."""
_LONGEST_NAME: Final = "worker-63.999999.sock"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_DEATH_S: Final = 5.0
_LOOK_S: Final = 0.02
_ASKED_S: Final = 5.0
"""Far longer than anybody takes to ask who has the directory."""


class RunDir:
    """A locked run directory, and the log directory that belongs to it."""

    def __init__(self, run: Path, logs: Path) -> None:
        """Take both, and clear what a crashed launcher left there.

        Args:
            run: made where it is missing, open to its owner's group only.
            logs: made where it is missing.

        Raises:
            GatewayError: another launcher has it, it holds other things, or cannot be written.
        """
        self.path = run.absolute()
        self.logs = logs.absolute()
        _check_length(self.path)
        _make(self.path, "--run-dir", _MODE)
        _make(self.logs, "--log-dir", 0o755)
        self._lock = _locked(self.path)
        end_orphans(_recorded(self.path / CHILDREN))
        self.clear()

    def uploads(self, name: str) -> Path:
        """A folder for a worker's temporary files, made anew.

        Beside Nginx' own: the run directory is in memory, as a rule.
        """
        folder = self.logs / UPLOADS / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def forget_uploads(self, name: str) -> None:
        """Remove such a folder."""
        shutil.rmtree(self.logs / UPLOADS / name, ignore_errors=True)

    def record(self, pids: Iterable[int]) -> None:
        """Remember which processes are ours, for the one who comes after a crash."""
        children = [{"pid": pid, "started": _started(pid)} for pid in pids]
        record = {"boot": _boot(), "children": children}
        write_whole(self.path / CHILDREN, json.dumps(record))

    def clear(self) -> None:
        """Remove every file of a run but the logs and the lock."""
        for path in filter(_is_ours, list(self.path.iterdir())):
            path.unlink(missing_ok=True)
        for name in (*nginx.TEMPORARY, UPLOADS):
            shutil.rmtree(self.logs / name, ignore_errors=True)

    def release(self) -> None:
        """Give the directory up."""
        (self.path / LOCK).unlink(missing_ok=True)
        os.close(self._lock)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A process that a launcher had started: its number and when, in clock ticks since boot."""

    pid: int
    started: int


def end_orphans(recorded: Iterable[Orphan]) -> None:
    """Kill the processes, and all of their sessions, that are still what they were."""
    found = _still_there({each.pid: each for each in recorded})
    for pid in found:
        _LOG.warning("Ending process %d, which a crashed launcher left behind.", pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _DEATH_S
    while any(_is_alive(pid) for pid in found) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def _still_there(recorded: dict[int, Orphan]) -> list[int]:
    if not recorded:
        return []
    sessions = dict(_sessions())
    # A number that has been given to another process since leads a session that is not ours.
    strangers = {
        pid for pid, each in recorded.items() if pid in sessions and _started(pid) != each.started
    }
    return [
        pid for pid, session in sessions.items() if session in recorded and session not in strangers
    ]


def _sessions() -> Iterator[tuple[int, int]]:
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with suppress(OSError, IndexError):
                yield int(entry), int(_stat(int(entry))[3])


def _stat(pid: int) -> list[str]:
    """Fields of a process from its state on: 3 is the session, 19 its start."""
    # Its name, in brackets, may hold anything.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _started(pid: int) -> int:
    try:
        return int(_stat(pid)[19])
    except (OSError, IndexError):
        return 0


def _is_alive(pid: int) -> bool:
    try:
        return _stat(pid)[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def _boot() -> str:
    return _BOOT.read_text().strip()


def _recorded(path: Path) -> list[Orphan]:
    try:
        record = json.loads(path.read_text())
        if record["boot"] != _boot():
            return []
        return [Orphan(int(each["pid"]), int(each["started"])) for each in record["children"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step: whoever reads it finds the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one stays.
    """
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    except OSError:
        # Half of it on a full disk is of use to nobody.
        new.unlink(missing_ok=True)
        raise


def owner_of(path: Path) -> int | None:
    """Number of the launcher that has a run directory; None where none has."""
    try:
        descriptor = os.open(path / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if _is_free(descriptor, fcntl.LOCK_SH):
            return None
        return int(os.pread(descriptor, 32, 0) or b"0")
    finally:
        os.close(descriptor)


def _check_length(path: Path) -> None:
    length = len(os.fsencode(path / _LONGEST_NAME))
    if length > _LONGEST_SOCKET:
        raise GatewayError(
            f"--run-dir {path}: the path is too long by {length - _LONGEST_SOCKET} bytes for the "
            "sockets in it. Name a shorter one."
        )


def _make(path: Path, flag: str, mode: int) -> None:
    try:
        if not path.exists():
            path.mkdir(mode, parents=True)
        elif mode == _MODE:
            _check_ours(path)
            path.chmod(mode)
        (path / ".writable").touch()
        (path / ".writable").unlink()
    except OSError as error:
        raise GatewayError(
            f"{flag} {path} cannot be written: {os.strerror(error.errno or 0)}. Name another "
            "folder, or give it to the user who starts the gateway."
        ) from None


def _check_ours(path: Path) -> None:
    """Its mode is about to be changed: that must not happen to somebody's home."""
    if (path / LOCK).exists():
        return
    others = [each.name for each in path.iterdir() if not _is_ours(each)]
    if others:
        raise GatewayError(
            f"--run-dir {path} holds other things ({others[0]}). Name a folder that is empty, or "
            "none."
        )


def _is_ours(path: Path) -> bool:
    return any(map(path.match, _OURS))


def _locked(path: Path) -> int:
    """Descriptor of the lock."""
    deadline = time.monotonic() + _ASKED_S
    while True:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o640)
        if not _is_free(descriptor, fcntl.LOCK_EX):
            # Who asks for an owner shares the lock for a moment; an owner shares it with nobody.
            asked = _is_free(descriptor, fcntl.LOCK_SH)
            owner = os.pread(descriptor, 32, 0).decode() or "unknown"
            os.close(descriptor)
            if not asked:
                raise GatewayError(
                    f"Another launcher (process {owner}) uses {path}. Stop it, or name another "
                    "folder with --run-dir."
                )
            if time.monotonic() > deadline:
                raise GatewayError(
                    f"Some process holds {path / LOCK} open, and is no launcher. End it, or name "
                    "another folder with --run-dir."
                )
            time.sleep(_LOOK_S)
            continue
        # Another launcher may have removed it, on its end, between these two steps.
        if _is_same(descriptor, path / LOCK):
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor
        os.close(descriptor)


def _is_free(descriptor: int, kind: int) -> bool:
    """Whether the lock could be had at once; it is held then."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
