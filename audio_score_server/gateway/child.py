"""Child processes that die with the supervisor, and whose output goes through its standard error.

Not to files: journald, Docker and Kubernetes collect the standard error of what they run, stamp,
rotate and ship it, and one stream keeps the order in which things happened.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_PDEATHSIG: Final = Path(__file__).with_name("pdeathsig.py")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How a process is started and stopped.

    Attributes:
        name: in the log.
        command: with its arguments.
        environment: all of it.
        working_dir: the supervisor's own where None.
        inherited_fds: file descriptors that it inherits.
        death_signal: that it is sent when the supervisor dies.
        stop_signal: on which it shuts down gracefully.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    working_dir: Path | None = None
    inherited_fds: Sequence[int] = ()
    death_signal: signal.Signals = signal.SIGKILL
    stop_signal: signal.Signals = signal.SIGTERM


def become_subreaper() -> None:
    """Have the orphans of children that died become ours, to be ended and reaped."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def with_death_signal(
    command: Sequence[str], parent_pid: int, death_signal: signal.Signals
) -> list[str]:
    """The command, run so that its process is sent a signal when its parent dies.

    Not by ``preexec_fn``: between fork and exec, a lock that another thread of the supervisor held
    would be held for ever, and the supervisor would wait for it.
    """
    arguments = (str(_PDEATHSIG), str(parent_pid), str(death_signal.value))
    return [sys.executable, "-I", "-S", *arguments, *command]


class ChildProcess:
    """A running process, leader of a session of its own.

    A terminal's Ctrl+C does not reach it, and its process group holds all that it starts.
    """

    def __init__(self, spec: ProcessSpec, log_format: str) -> None:
        """Start it.

        Args:
            spec: what to start.
            log_format: ``text`` or ``json``, for the lines of its output.

        Raises:
            OSError: no process can be made; a program that is missing exits with code 127.
        """
        self.spec = spec
        self._process = subprocess.Popen(
            with_death_signal(spec.command, os.getpid(), spec.death_signal),
            env=dict(spec.environment),
            cwd=spec.working_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=spec.inherited_fds,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        _forward_output(self._process.stdout, spec.name, log_format)

    @property
    def pid(self) -> int:
        """Of the process; its process group and session have the same number."""
        return self._process.pid

    def watch(self, on_exit: Callable[[int], None]) -> None:
        """Call back with its exit code when it exits."""
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(self.pid)

        def exited() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            on_exit(self._process.wait())

        loop.add_reader(descriptor, exited)

    def terminate(self) -> None:
        """Have it shut down gracefully."""
        self.send_signal(self.spec.stop_signal)

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it and all that it started, at once."""
        self.send_signal_to_group(signal.SIGKILL)

    def send_signal_to_group(self, number: int) -> None:
        """Send a signal to it and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def reap_group(self) -> bool:
        """Reap what has exited of what it started; whether nothing of that is left.

        Only to be called when it has exited itself.
        """
        try:
            while os.waitid(os.P_PGID, self.pid, os.WEXITED | os.WNOHANG) is not None:
                pass
        except ChildProcessError:
            return True
        return False


def _forward_output(stream: IO[bytes], name: str, log_format: str) -> None:
    """Forward a child's lines until the stream ends, then close it.

    In a thread: a terminal that is slow to read must not hold the supervision up.
    """
    labelled = labelled_json if log_format == "json" else labelled_text
    threading.Thread(target=_forward, args=(stream, name, labelled), daemon=True).start()


def _forward(stream: IO[bytes], name: str, labelled: Callable[[str, str], str]) -> None:
    with stream:
        for line in stream:
            # Whoever does not read what we write must not stop those who write it.
            with suppress(OSError, ValueError):
                text = labelled(line.decode(errors="replace").rstrip("\n"), name)
                sys.stderr.write(text + "\n")
                sys.stderr.flush()


def labelled_text(line: str, name: str) -> str:
    """A line of output after the name of its process."""
    return f"{name} | {line}"


def labelled_json(line: str, name: str) -> str:
    """A JSON log record with the name of its process as ``process``; other lines become one."""
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {"level": "error", "message": line}
    return json.dumps({**fields, "process": name}, ensure_ascii=False)
