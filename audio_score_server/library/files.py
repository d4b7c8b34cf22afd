"""Files that somebody else put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple


class Stamp(NamedTuple):
    """What tells a file from itself before it was changed.

    Attributes:
        size: bytes.
        version: changes with whatever is done to the file, and when another takes its place.
        written: when its content was last written, in seconds since 1970; may be set by whoever
            copies it.
    """

    size: int
    version: str
    written: float

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """By what the file system tells."""
        # Times alone are not enough: file systems count in steps of milliseconds, in which one
        # file may be renamed over another of the same size. And whoever copies sets the first.
        version = f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
        return cls(status.st_size, version, status.st_mtime)


def stamp_of(path: str) -> Stamp | None:
    """The stamp of a file; None where it cannot be asked for."""
    try:
        return Stamp.of(os.stat(path))  # noqa: PTH116 a third of the time, ten thousand times over
    except OSError:
        return None


def read_regular(path: Path) -> bytes:
    """The content of a regular file.

    Opening a pipe would wait for somebody to write into it.

    Raises:
        FileNotFoundError: there is nothing at the path.
        OSError: it is no regular file, or it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path.name} is not a regular file")
    return path.read_bytes()
