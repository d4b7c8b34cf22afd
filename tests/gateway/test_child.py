"""Child processes are started without forking the interpreter, and die with their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psutil

from audio_score_server.gateway.child import ChildProcess, ProcessSpec, with_death_signal

_PATIENCE_S: Final = 10.0
_SUPERVISOR: Final = """
import sys, time
from audio_score_server.gateway.child import ChildProcess, ProcessSpec
child = ChildProcess(ProcessSpec("sleep", ["sleep", "60"], {"PATH": sys.argv[1]}), "text")
print(child.pid, flush=True)
time.sleep(60)
"""


def _run(*command: str, parent: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        with_death_signal(command, os.getpid() if parent is None else parent, signal.SIGKILL),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )


def test_the_interpreter_with_its_threads_and_locks_is_not_forked() -> None:
    forks: list[int] = []
    os.register_at_fork(before=lambda: forks.append(1))

    async def code() -> int:
        ended = asyncio.get_running_loop().create_future()
        ChildProcess(ProcessSpec("true", ["true"], dict(os.environ)), "text").watch(
            ended.set_result
        )
        return int(await ended)

    assert (asyncio.run(code()), forks) == (0, [])


def test_it_dies_with_its_parent() -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, os.environ["PATH"]], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    with supervisor, supervisor.stdout:
        child = psutil.Process(int(supervisor.stdout.readline()))
        deadline = time.monotonic() + _PATIENCE_S
        while child.name() != "sleep":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        supervisor.kill()
    _, alive = psutil.wait_procs([child], _PATIENCE_S)
    assert not alive


def test_it_does_not_start_where_its_parent_has_died_already(tmp_path: Path) -> None:
    done = _run("touch", str(tmp_path / "begun"), parent=os.getppid())
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])


def test_a_missing_program_is_named() -> None:
    done = _run("no-such-program")
    assert done.returncode == 127
    assert done.stderr == "no-such-program cannot be started: No such file or directory.\n"


def test_it_is_the_process_that_was_started_and_ignores_no_signal() -> None:
    done = _run("sh", "-c", "echo $PPID; cat /proc/self/status")
    parent, *status = done.stdout.splitlines()
    assert int(parent) == os.getpid()
    (ignored,) = (line for line in status if line.startswith("SigIgn:"))
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_arguments_are_passed_on_as_they_are() -> None:
    arguments = ["a b", "$c", "ö", "caf\udce9", ""]
    done = subprocess.run(
        with_death_signal(["printf", r"%s\n", *arguments], os.getpid(), signal.SIGKILL),
        capture_output=True,
        check=True,
        timeout=_PATIENCE_S,
    )
    assert done.stdout == b"".join(os.fsencode(word) + b"\n" for word in arguments)
