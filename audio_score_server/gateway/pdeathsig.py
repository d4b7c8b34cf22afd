"""Run as a program: becomes another one, which gets a signal when the supervisor dies.

    python -I -S pdeathsig.py SUPERVISOR_PID SIGNAL PROGRAM ARGUMENT...

Not by ``setpriv --pdeathsig``: that sets its own capabilities whatever it is asked for, which the
systemd unit forbids. Imports nothing but the standard library, so that it takes some hundredths of
a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_ORPHANED: Final = 1
_CANNOT_START: Final = 127


def main() -> int:
    """Become the program that the arguments name; the exit code where that cannot be."""
    parent, number, *command = sys.argv[1:]
    # Kept across exec, but not by a program that runs with other privileges.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != int(parent):
        # It died before the signal could be asked for.
        return _ORPHANED
    # Python ignores them, and what is ignored stays so across exec.
    for name in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}.\n")
        return _CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
