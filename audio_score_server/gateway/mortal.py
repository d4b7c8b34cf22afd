"""Run as a program: becomes another one, which dies with the launcher that started it.

    python -I -S mortal.py LAUNCHER SIGNAL PROGRAM ARGUMENT...

Imports nothing but the standard library, so that it takes some hundredths of a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_GONE: Final = 1
_CANNOT_START: Final = 127


def main() -> int:
    """Become the program that the arguments name; the exit code where that cannot be."""
    launcher, number, *command = sys.argv[1:]
    # The wish outlives the change of program, but not a program with rights of its own.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != int(launcher):
        # It died before this could be asked for.
        return _GONE
    # Python ignores them, and what is ignored stays so for the program that follows.
    for name in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}.\n")
        return _CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
