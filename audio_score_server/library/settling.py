"""When a file that somebody writes can be taken for whole."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

_SETTLED_S: Final = 1.0
"""Copying programs write all the time; those that set a file's time do so when they are done."""


def settled_in_s(written: float) -> float:
    """Seconds until nothing was written for long enough.

    Args:
        written: time of the last writing, in seconds since 1970; what lies in the future was set on
            purpose, or by another host's clock.
    """
    ago = time.time() - written
    return _SETTLED_S - ago if 0.0 <= ago < _SETTLED_S else 0.0


def mark_settled(path: Path) -> None:
    """Say of a file that it is whole, before it is put in its place."""
    written = time.time() - 2 * _SETTLED_S
    os.utime(path, (written, written))
