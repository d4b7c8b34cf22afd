"""Pages of libraries that were only read while those were loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SMAPS: Final = Path("/proc/self/smaps")
_DONTNEED: Final = 4
"""Linux's name for advice that pages are not needed."""
_LIBRARY: Final = ".so"


def release_library_pages() -> int:
    """Let go of the pages of libraries, which come again when they are used.

    PyTorch's CUDA libraries, for which a processor has no use, hold 150 MB of them after loading,
    Numba's compiler 60. The system keeps what it has read in its cache, so that what is used again
    is there again in a microsecond; and it need not look for memory where there seems to be none.

    Returns:
        Bytes that were let go; 0 where the system has no such list.
    """
    try:
        # Looked at twice: another thread may just be loading a library, piece by piece.
        before, pieces = ({each[:2]: each[2] for each in _unchanged(_maps())} for _ in range(2))
    except OSError:
        return 0
    library = ctypes.CDLL(None)
    released = 0
    for start, stop in before.keys() & pieces.keys():
        if not library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), _DONTNEED):
            released += pieces[start, stop]
    return released


def _maps() -> list[str]:
    return _SMAPS.read_text(encoding="utf-8", errors="replace").splitlines()


def _unchanged(lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """Beginning, end and resident bytes of every piece of a library that is as in its file.

    Of what has been changed, by relocations say, the pages are this process's own: they would be
    lost.
    """
    piece: tuple[int, int] | None = None
    resident = 0
    for line in lines:
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            start, _, stop = name.partition("-")
            shared = rest.startswith("r") and rest[1] == "-" and _LIBRARY in rest
            piece = (int(start, 16), int(stop, 16)) if shared else None
        elif name == "Rss:":
            resident = 1024 * int(rest.split()[0])
        elif name == "Anonymous:" and piece and int(rest.split()[0]) == 0:
            yield *piece, resident
