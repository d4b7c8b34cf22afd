"""Processes that die with the launcher, however it dies, and whose output goes through it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway.relay import relay

_PR_SET_CHILD_SUBREAPER: Final = 36
_MORTAL: Final = Path(__file__).with_name("mortal.py")


@dataclass(frozen=True, slots=True)
class Program:
    """How a process is started.

    Attributes:
        name: in the log.
        command: with its arguments.
        environment: all of it.
        folder: its working folder; the launcher's own where None.
        descriptors: files that it inherits.
        on_death: signal that it is sent when the launcher dies.
        stop: signal on which it ends in order.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None
    descriptors: Sequence[int] = ()
    on_death: int = signal.SIGKILL
    stop: int = signal.SIGTERM


def adopt_orphans() -> None:
    """Children of children that have died become ours, to be ended and reaped."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Child:
    """A running process, leader of a session of its own.

    A terminal's Ctrl+C does not reach it, and what it starts can be told by its group.
    """

    def __init__(self, program: Program, form: str) -> None:
        """Start it.

        Args:
            program: what.
            form: ``text`` or ``json``, as it logs.

        Raises:
            OSError: no process can be made; a program that is missing ends with code 127.
        """
        self.program = program
        self._process = subprocess.Popen(
            mortal(program.command, os.getpid(), program.on_death),
            env=dict(program.environment),
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=program.descriptors,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        relay(self._process.stdout, program.name, form)

    @property
    def pid(self) -> int:
        """Of the process; its group and session have the same number."""
        return self._process.pid

    def watch(self, on_exit: Callable[[int], None]) -> None:
        """Call when it ends, with its exit code."""
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(self.pid)

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            on_exit(self._process.wait())

        loop.add_reader(descriptor, ended)

    def ask_to_stop(self) -> None:
        """Have it end in order."""
        self._process.send_signal(self.program.stop)

    def send(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it and all that it started, at once."""
        self.send_group(signal.SIGKILL)

    def send_group(self, number: int) -> None:
        """Send a signal to it and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def reap_group(self) -> bool:
        """Collect what has ended of what it started; whether nothing of that is left.

        Only to be called when it has ended itself.
        """
        try:
            while os.waitid(os.P_PGID, self.pid, os.WEXITED | os.WNOHANG) is not None:
                pass
        except ChildProcessError:
            return True
        return False


def mortal(command: Sequence[str], launcher: int, number: int) -> list[str]:
    """A command that becomes the given one, and dies with the launcher.

    Not by code that runs between fork and exec: there, a lock that some other thread of the
    launcher held would be held for ever, and the launcher would wait for that.

    Args:
        command: with its arguments.
        launcher: process number of who will start it.
        number: signal that it is sent when that one dies.
    """
    words = map(str, (_MORTAL, launcher, int(number)))
    return [sys.executable, "-I", "-S", *words, *command]
