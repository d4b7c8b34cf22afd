"""Numbers of bytes, for people."""

from __future__ import annotations


def readable_size(size: int) -> str:
    """A number of bytes in the unit that keeps it short."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
