"""The run directory: used by one supervisor at a time, and cleared of what others left."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from audio_score_server.gateway import nginx_config
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.orphans import end_orphans, recorded_children

LOCK: Final = "gateway.lock"
CHILDREN: Final = "children.json"
STATUS: Final = "status.json"
WORKER_TEMP: Final = "worker_temp"
"""Folder of the workers' temporary files, below the log directory."""
_OURS: Final = (
    *("*.sock", f"{nginx_config.CONFIG}*", nginx_config.PID, f"{nginx_config.PID}.oldbin"),
    *(nginx_config.CERTIFICATE, nginx_config.KEY, f"{CHILDREN}*", f"{STATUS}*"),
)
_RUN_MODE: Final = 0o750
_LOG_MODE: Final = 0o755
_MAX_SOCKET_PATH: Final = 107
"""Bytes that Linux allows for a socket's path."""
_LONGEST_NAME: Final = "worker-63.999999.sock"
_WRITE_LOCK: Final = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""A ``struct flock`` of the whole file."""


class RunDir:
    """A locked run directory, and the log directory that belongs to it.

    Attributes:
        path: of the run directory, absolute.
        logs: path of the log directory, absolute.
    """

    def __init__(self, run: Path, logs: Path) -> None:
        """Lock it, and clear what a crashed supervisor left there.

        Args:
            run: made where it is missing, open to its owner's group only.
            logs: made where it is missing.

        Raises:
            GatewayError: another supervisor uses it, it holds other things, or cannot be written.
        """
        self.path = run.absolute()
        self.logs = logs.absolute()
        _check_length(self.path)
        _make(self.path, "--run-dir", _RUN_MODE)
        _make(self.logs, "--log-dir", _LOG_MODE)
        self._lock = _lock(self.path / LOCK)
        end_orphans(recorded_children(self.path / CHILDREN))
        self.clear()

    def make_temp_dir(self, name: str) -> Path:
        """A folder for a worker's temporary files, made anew.

        Beside Nginx' own: the run directory is in memory, as a rule.
        """
        folder = self.logs / WORKER_TEMP / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def remove_temp_dir(self, name: str) -> None:
        """Remove such a folder."""
        shutil.rmtree(self.logs / WORKER_TEMP / name, ignore_errors=True)

    def clear(self) -> None:
        """Remove every file of a run but the logs and the lock."""
        for path in filter(_is_ours, list(self.path.iterdir())):
            path.unlink(missing_ok=True)
        for name in (*nginx_config.TEMP_DIRS, WORKER_TEMP):
            shutil.rmtree(self.logs / name, ignore_errors=True)

    def release(self) -> None:
        """Unlock it."""
        (self.path / LOCK).unlink(missing_ok=True)
        os.close(self._lock)


def owner_of(run: Path) -> int | None:
    """Process number of the supervisor that uses a run directory; None where none does.

    The lock is looked at and never taken: whoever asks keeps no supervisor from starting.
    """
    try:
        descriptor = os.open(run / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        held = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WRITE_LOCK)
        if struct.unpack_from("h", held)[0] == fcntl.F_UNLCK:
            return None
        return int(os.pread(descriptor, 32, 0) or b"0")
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """Descriptor of the locked file, which holds our process number."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WRITE_LOCK)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode() or "unknown"
            os.close(descriptor)
            raise GatewayError(
                f"Another supervisor (process {owner}) uses {path.parent}. Stop it, or name "
                "another folder with --run-dir."
            ) from None
        # Another one may have removed it, as it ended, between these two steps.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                return descriptor
        os.close(descriptor)


def _check_length(path: Path) -> None:
    excess = len(os.fsencode(path / _LONGEST_NAME)) - _MAX_SOCKET_PATH
    if excess > 0:
        raise GatewayError(
            f"--run-dir {path}: the path is too long by {excess} bytes for the sockets in it. "
            "Name a shorter one."
        )


def _make(path: Path, flag: str, mode: int) -> None:
    try:
        if not path.exists():
            path.mkdir(mode, parents=True)
        elif mode == _RUN_MODE:
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
