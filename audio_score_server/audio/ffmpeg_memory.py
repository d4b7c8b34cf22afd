"""A bound on the memory that PyAV's FFmpeg takes at once.

A header can claim sixty million samples or a title of two gigabytes, and FFmpeg makes room for what
is claimed before it reads any of it: a file of a hundred bytes could end the process. There are
more ways to claim than anybody can list, but all of them ask one function for the room.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path
from typing import Final

import av

_LOG = logging.getLogger(__name__)
LARGEST_BYTES: Final = 32 * 2**20
"""An hour's table of packets fits in a tenth of it."""


def bound_allocations() -> None:
    """Let FFmpeg allocate no more than 32 MiB in one piece, in this process.

    Where its library is not found there is no bound, and the log says so.
    """
    # PyAV's wheel keeps its libraries beside the package.
    folder = Path(av.__file__).parent
    for path in [*folder.with_name("av.libs").glob("libavutil*"), *folder.rglob("libavutil*")]:
        library = ctypes.CDLL(str(path))
        library.av_max_alloc.argtypes = [ctypes.c_size_t]
        library.av_max_alloc.restype = None
        library.av_max_alloc(LARGEST_BYTES)
        return
    _LOG.warning("FFmpeg's memory has no bound: its library was not found beside PyAV.")
