"""Run as a module: what a server's process keeps for each new length of sound, in bytes.

The command line is the server's own; in its place, sounds are resampled and counted is what the C
library has given out, which, unlike resident memory, is the same each time.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

from audio_score_server import cli

_SERVER: Final = "audio_score_server.serving.server"
_RATE: Final = 48_000
_LENGTHS: Final = 100
_FIELDS: Final = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


def _serve(_: object) -> int:
    import numpy as np

    from audio_score_server.audio.resample import resample
    from audio_score_server.domain import Waveform

    def allocated_after(first: int) -> int:
        for length in range(first, first + _LENGTHS):
            resample(Waveform(np.zeros(length, np.float32), _RATE), 16_000)
        mallinfo2 = ctypes.CDLL(None).mallinfo2
        mallinfo2.restype = _Mallinfo
        info = mallinfo2()
        return int(info.uordblks + info.hblkhd)

    before = allocated_after(60_000)
    print((allocated_after(80_000) - before) // _LENGTHS)  # noqa: T201
    return 0


if __name__ == "__main__":
    # Found, not imported: PyTorch reads its variables when it is.
    assert find_spec(_SERVER), f"No module {_SERVER} to stand in for."
    stand_in = ModuleType(_SERVER)
    stand_in.serve = _serve  # type: ignore[attr-defined]
    sys.modules[_SERVER] = stand_in
    sys.exit(cli.main(Path("config.json"), sys.argv[1:]))
