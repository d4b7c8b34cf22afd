"""A server alone or several behind the gateway, started for a measurement, and their memory."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.nginx import find_nginx
from bench.serving_load import make_request
from bench.serving_processes import Server, environment, free_port, running
from bench.serving_stage import Stage

ALONE: Final = 0
"""Workers of the set-up without a gateway."""
_HOST: Final = "127.0.0.1"
_CHUNK: Final = 1_000_000
_LARGEST: Final = 20_000_000
_SLACK: Final = 2_000
_WARM_UPS: Final = 20


def nginx_version() -> str:
    """Of the Nginx that the gateway will find.

    Raises:
        SystemExit: there is none.
    """
    try:
        return find_nginx("nginx", os.environ).version
    except GatewayError as error:
        sys.exit(str(error))


@dataclass(frozen=True, slots=True)
class Setup:
    """A running set-up.

    Attributes:
        server: its processes.
        run: the gateway's run directory.
    """

    server: Server
    run: Path


@contextmanager
def started(stage: Stage, workers: int) -> Iterator[Setup]:
    """A set-up of the stage's model, once it gives scores."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bg-") as scratch:
        config = ["--config", str(stage.config)]
        if workers == ALONE:
            command = [sys.executable, "run_server.py", *config, "--port", str(port)]
        else:
            command = [
                *(sys.executable, "run_server_with_gate.py", *config, "--listen-port", str(port)),
                *("--workers", str(workers), "--shutdown-timeout", "2"),
                *("--run-dir", f"{scratch}/run", "--log-dir", f"{scratch}/logs"),
            ]
        with running(command, environment({}), port, stage.first) as server:
            yield Setup(server, Path(scratch) / "run")


def paired(setup: Setup, stage: Stage, pairs: int) -> tuple[list[float], list[float]]:
    """Ask for the same score of a worker itself and through the gateway, by turns.

    Returns:
        Seconds of each answer, of the worker's own and of the gateway's.
    """
    (path,) = setup.run.glob("worker-0.*.sock")
    requests = [make_request(each) for each in sorted(stage.recordings.iterdir())]
    seconds: tuple[list[float], list[float]] = ([], [])
    with (
        socket.socket(socket.AF_UNIX) as worker,
        socket.create_connection((_HOST, setup.server.port)) as gateway,
    ):
        worker.connect(str(path))
        for index in range(pairs + _WARM_UPS):
            request = requests[index % len(requests)]
            # The first of a pair warms caches for the second: each is first as often.
            order = ((worker, 0), (gateway, 1)) if index % 2 else ((gateway, 1), (worker, 0))
            for connection, place in order:
                took = _timed(connection, request)
                if index >= _WARM_UPS:
                    seconds[place].append(took)
    return seconds


def _timed(connection: socket.socket, request: bytes) -> float:
    started_at = time.perf_counter()
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    took = time.perf_counter() - started_at
    if answer.status != http.client.OK:
        raise RuntimeError(f"answered {answer.status}")
    return took


@dataclass(slots=True)
class Memory:
    """Resident memory of a process, in bytes.

    Attributes:
        name: of the process.
        before: at rest.
        most: seen since.
    """

    name: str
    before: int
    most: int

    @property
    def grown(self) -> float:
        """In MiB."""
        return (self.most - self.before) / 2**20


def memory_of_uploads(setup: Setup, stage: Stage, count: int) -> list[Memory]:
    """Send so many uploads of the largest size side by side, and watch.

    They are recordings followed by nothing, so that they cost no time to decode.
    """
    family = _family(setup.server)
    memory = [Memory(name, each.memory_info().rss, 0) for name, each in family]
    request = _padded(stage)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((_HOST, setup.server.port), 60))
            for _ in range(count)
        ]
        for start in range(0, len(request), _CHUNK):
            for connection in connections:
                connection.sendall(request[start : start + _CHUNK])
            _watch(family, memory)
        for connection in connections:
            connection.settimeout(0.05)
            while not _answered(connection):
                _watch(family, memory)
    return memory


def _padded(stage: Stage) -> bytes:
    """A request of the largest size."""
    head, _, body = make_request(min(stage.recordings.iterdir())).partition(b"\r\n\r\n")
    content, mark, tail = body.rpartition(b"\r\n--")
    more = _LARGEST - _SLACK - len(body)
    body = content + bytes(more) + mark + tail
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    lines.append(f"Content-Length: {len(body)}".encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _answered(connection: socket.socket) -> bool:
    with suppress(TimeoutError):
        return bool(connection.recv(65_536))
    return False


def _family(server: Server) -> list[tuple[str, psutil.Process]]:
    supervisor = psutil.Process(server.pid)
    named = [("supervisor", supervisor)]
    for child in supervisor.children(recursive=True):
        words = " ".join(child.cmdline())
        if words.startswith("nginx"):
            named.append(("Nginx, " + ("master" if "master" in words else "worker"), child))
        elif "serve" in words:
            named.append(("server", child))
    return named


def _watch(family: list[tuple[str, psutil.Process]], memory: list[Memory]) -> None:
    for (_, process), seen in zip(family, memory, strict=True):
        seen.most = max(seen.most, process.memory_info().rss)
