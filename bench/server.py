"""Real server processes, started, watched until they are ready, and ended."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from bench.demo import ROOT

HOST: Final = "127.0.0.1"
_IS_READY: Final = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_PREFIX: Final = "AUDIO_SCORE_"
_POLL_S: Final = 0.025
"""Often enough to time seconds, seldom enough not to slow what is timed."""
_READY_S: Final = 300.0
_ANSWER_S: Final = 30.0
_END_S: Final = 20.0
_LOG_TAIL: Final = 3_000
_MIB: Final = 2**20


class ServerFailed(Exception):
    """A server did not start, or ended too early; the text holds the end of its log."""


class Server:
    """A running server and whatever processes it has started.

    Attributes:
        port: on the loopback address.
        listening_s: from the start of the process until it answered anything.
        ready_s: from the start of the process until it was ready.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = port
        self.listening_s = self.ready_s = 0.0
        self._log = log
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

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def held(self) -> tuple[float, int, int]:
        """Resident memory in MiB, descriptors and threads of its first process."""
        process = self._process
        return process.memory_info().rss / _MIB, process.num_fds(), process.num_threads()

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
        return ServerFailed(f"{what}. Its log ends:\n{self.log[-_LOG_TAIL:]}")

    def wait(self, is_ready: bytes, started: float, longest_s: float) -> None:
        """Until it answers a request with 200.

        Raises:
            ServerFailed: it does not.
        """
        while (seconds := time.perf_counter() - started) < longest_s:
            status, _ = status_of(self.port, is_ready)
            if status and not self.listening_s:
                self.listening_s = seconds
            if status == http.client.OK:
                self.ready_s = time.perf_counter() - started
                return
            if not self.running:
                raise self.failure("It ended before it was ready")
            time.sleep(_POLL_S)
        raise self.failure(f"It was not ready after {longest_s:.0f} s")

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


@contextmanager
def running(
    command: Sequence[str],
    variables: Mapping[str, str],
    port: int,
    is_ready: bytes = _IS_READY,
    ready_s: float = _READY_S,
) -> Iterator[Server]:
    """A server, once it answers a request with 200; it is ended on leaving.

    Args:
        command: starts it.
        variables: of its environment, besides this process's own ones, which are freed of settings
            for the server that happen to be among them.
        port: on which it listens.
        is_ready: the request.
        ready_s: longest time until then.

    Raises:
        ServerFailed: it did not get so far.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
    environment = inherited | {"PYTHONPATH": str(ROOT)} | dict(variables)
    with tempfile.NamedTemporaryFile(prefix="bench-", suffix=".log") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        server = Server(port, process, Path(log.name))
        try:
            server.wait(is_ready, started, ready_s)
            yield server
        finally:
            server.end()


@contextmanager
def phones_server(
    clips: Path,
    cache: Path,
    variables: Mapping[str, str] | None = None,
    ready_s: float = _READY_S,
) -> Iterator[Server]:
    """Our server with the phone encoder on a free port.

    Args:
        clips: folder of reference clips.
        cache: folder of precomputed features.
        variables: further ones of its environment.
        ready_s: longest time until it is ready.

    Raises:
        ServerFailed: it did not become ready.
    """
    port = free_port()
    command = [sys.executable, "run_server.py", "--port", str(port), "--model-keys", "phones"]
    folders = {"VIDEO_CLIP_DIR": str(clips), "CACHE_DIR": str(cache), "LOG_FORMAT": "text"}
    settings = {_PREFIX + name: value for name, value in folders.items()}
    with running(command, settings | dict(variables or {}), port, ready_s=ready_s) as server:
        yield server


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listening:
        return int(listening.getsockname()[1])


def status_of(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request; 0 if nobody answers."""
    try:
        with socket.create_connection((HOST, port), _ANSWER_S) as connection:
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
