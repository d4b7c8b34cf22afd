"""Servers of several processes: started, watched and ended as one."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from bench.demo import ROOT

_HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.1
_READY_S: Final = 120.0
_ANSWER_S: Final = 30.0
_END_S: Final = 20.0
_LOG_TAIL: Final = 3_000


class ServerFailed(Exception):
    """A server did not start, or ended too early; the text holds the end of its log."""


class Server:
    """A running server and whatever processes it has started.

    Attributes:
        port: on the loopback address.
        log: what it writes.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = port
        self.log = log
        self._process = psutil.Process(process.pid)
        self._popen = process

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether its first process still is."""
        return self._popen.poll() is None

    def cpu_s(self) -> dict[int, float]:
        """CPU seconds that each of its processes has used, over all cores."""
        used = {}
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used[process.pid] = times.user + times.system
        return used

    def failure(self, what: str) -> ServerFailed:
        """An error that tells what its log ends with."""
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
        return ServerFailed(f"{what}. Its log ends:\n{tail}")

    def end(self) -> None:
        """Ask it to end, and end what is left of it then."""
        family = self._family()
        self._popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_END_S)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, _END_S)

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self._process, *self._process.children(recursive=True)]
        return []


def used_meanwhile(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """CPU seconds used between two looks at a server; all of those of processes new since."""
    return sum(used - before.get(pid, 0.0) for pid, used in after.items())


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], port: int, is_ready: bytes
) -> Iterator[Server]:
    """A server, once it answers a request with 200; it is ended on leaving.

    Args:
        command: starts it.
        environment: all of its variables.
        port: on which it listens.
        is_ready: the request.

    Raises:
        ServerFailed: it did not get so far.
    """
    with tempfile.NamedTemporaryFile(prefix="bench-serving-", suffix=".log") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdout=log, stderr=subprocess.STDOUT
        )
        server = Server(port, process, Path(log.name))
        try:
            _wait(server, is_ready)
            yield server
        finally:
            server.end()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((_HOST, 0)) as listening:
        return int(listening.getsockname()[1])


def environment(further: Mapping[str, str]) -> dict[str, str]:
    """This process's own with further variables, free of settings that happen to be in it."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("AUDIO_SCORE_")
    }
    return inherited | {"PYTHONPATH": str(ROOT)} | dict(further)


def status_of(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request; 0 if nobody answers."""
    try:
        with socket.create_connection((_HOST, port), _ANSWER_S) as connection:
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def _wait(server: Server, request: bytes) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        status, _ = status_of(server.port, request)
        if status == http.client.OK:
            return
        if not server.running:
            raise server.failure("It ended before it was ready")
        time.sleep(_POLL_S)
    raise server.failure(f"It was not ready after {_READY_S:.0f} s")
