"""Reading files that somebody else put there."""

from __future__ import annotations

import stat
from pathlib import Path


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
