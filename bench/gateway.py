"""What the gateway costs and brings: workers behind Nginx against one server without it.

    python -m bench.gateway [--workers N,...] [--batch-ms MS] [--clients N] [--seconds S]
                            [--repeats N] [--pairs N] [--uploads N] [--quick]

Workers are real servers with a stand-in that occupies its device for a fixed time, so that what is
measured is the serving. A process of its own sends the demo's recordings, four seconds each, over
the loopback address.

Throughput: so many clients for each worker, each waiting for its score before it asks for the next.
Added time: the same requests to a worker's own socket and through the gateway, by turns. Memory: so
many uploads of the largest size at once, which the gateway takes whole before a worker sees them.

Load, workers and Nginx share the cores, which the column of used cores shows. Printed are Markdown
tables: medians over repeats, in which set-ups take turns and start afresh. ``--quick`` is for a
look, not for figures. Nginx has to be installed (on Debian: apt-get install nginx-light).
"""

from __future__ import annotations

import argparse
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
from bench import options
from bench.load import make_request
from bench.machine import describe
from bench.measure import cores, median, ms, percentile, progress, show
from bench.phases import Phase, closed
from bench.server import HOST, Server, free_port, running
from bench.stage import Stage, set_stage

_PACKAGES: Final = ("fastapi", "uvicorn", "uvloop", "httptools")
_QUICK_S: Final = 1.5
_QUICK_PAIRS: Final = 100
_MODEL: Final = "stand-in"
_ALONE: Final = 0
"""Workers of the set-up without a gateway."""
_CHUNK: Final = 1_000_000
_LARGEST: Final = 20_000_000
_SLACK: Final = 200_000
"""Bytes that the largest upload stays below the limit: its form, and the recording itself."""
_WARM_UPS: Final = 20


@dataclass(frozen=True, slots=True)
class Setup:
    """A running set-up.

    Attributes:
        server: its processes.
        run: the gateway's run directory.
    """

    server: Server
    run: Path


@dataclass(slots=True)
class Memory:
    """Resident memory of a process, in bytes.

    Attributes:
        name: of the process.
        process: which is watched.
        before: at rest.
        most: seen since.
    """

    name: str
    process: psutil.Process
    before: int
    most: int = 0

    def watch(self) -> None:
        """Look again."""
        self.most = max(self.most, self.process.memory_info().rss)


def main() -> None:
    """Command line."""
    arguments = _arguments()
    try:
        version = find_nginx("nginx", os.environ).version
    except GatewayError as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory(prefix="bg-") as scratch:
        slow = set_stage(_MODEL, arguments.batch_ms, Path(scratch) / "slow")
        quick = set_stage(_MODEL, 0, Path(scratch) / "quick")
        print(f"\n{describe('cpu', _PACKAGES)} Nginx {version}.")
        _show_throughput(slow, arguments)
        with _started(quick, 1) as setup:
            _show_added(setup, quick, arguments.pairs)
            _show_memory(_memory_of_uploads(setup, quick, arguments.uploads), arguments.uploads)


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("--workers", type=options.counts, default=[1, 2, 4], help="Workers behind the gateway.")
    add("--batch-ms", type=float, default=400.0, help="How long a batch occupies the stand-in.")
    add("--clients", type=options.count, default=16, help="For each worker.")
    add("--seconds", type=float, default=6.0, help="Counted of each load.")
    add("--repeats", type=options.count, default=3, help="Lives of each set-up.")
    add("--pairs", type=options.count, default=400, help="Requests to time the gateway by.")
    add("--uploads", type=options.count, default=8, help="Of the largest size, at once.")
    add("--quick", action="store_true", help=f"One repeat of {_QUICK_S:g} s.")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.repeats, arguments.seconds, arguments.pairs = 1, _QUICK_S, _QUICK_PAIRS
    return arguments


@contextmanager
def _started(stage: Stage, workers: int) -> Iterator[Setup]:
    """A set-up of the stage's model, once it gives scores."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bg-") as scratch:
        config = ["--config", str(stage.config)]
        if workers == _ALONE:
            command = [sys.executable, "run_server.py", *config, "--port", str(port)]
        else:
            command = [
                *(sys.executable, "run_server_with_gate.py", *config, "--listen-port", str(port)),
                *("--workers", str(workers), "--shutdown-timeout", "2"),
                *("--run-dir", f"{scratch}/run", "--log-dir", f"{scratch}/logs"),
            ]
        with running(command, {}, port, stage.first) as server:
            yield Setup(server, Path(scratch) / "run")


def _show_throughput(stage: Stage, arguments: argparse.Namespace) -> None:
    setups = [_ALONE, *arguments.workers]
    phases: dict[int, list[Phase]] = {workers: [] for workers in setups}
    lives = [workers for _ in range(arguments.repeats) for workers in setups]
    for workers in progress(lives, "set-ups"):
        with _started(stage, workers) as setup:
            stage.settle(setup.server)
            clients = arguments.clients * max(1, workers)
            phase = closed(setup.server, stage.recordings, arguments.seconds, clients)
            phases[workers].append(phase)
    alone = median([phase.goodput for phase in phases[_ALONE]])
    rows = []
    for workers, found in phases.items():
        goodput = median([phase.goodput for phase in found])
        used = median([(phase.server_s + phase.client_s) / phase.seconds for phase in found])
        rows.append(
            [
                f"gateway, workers: {workers}" if workers else "one server, no gateway",
                str(arguments.clients * max(1, workers)),
                f"{goodput:.1f}",
                f"{100 * goodput / (alone * max(1, workers)):.0f} %",
                *(ms(median([each.latency_s(part) for each in found]), 0) for part in (50, 99)),
                f"{used:.2f} of {cores()}",
            ]
        )
    show(
        f"Throughput, a batch taking {arguments.batch_ms:g} ms, median of {arguments.repeats} x "
        f"{arguments.seconds:g} s",
        ("servers", "clients", "scores/s", "of workers x one", "p50 ms", "p99 ms", "cores used"),
        rows,
    )


def _show_added(setup: Setup, stage: Stage, pairs: int) -> None:
    own, through = _paired(setup, stage, pairs)
    added = [after - before for before, after in zip(own, through, strict=True)]
    rows = [
        [name, *(ms(percentile(seconds, percent)) for percent in (50, 90, 99))]
        for name, seconds in (("worker", own), ("gateway", through), ("added", added))
    ]
    show(
        f"The same recording to a worker's socket and through the gateway, {pairs} times by turns, "
        "a stand-in that takes no time",
        ("", "p50 ms", "p90 ms", "p99 ms"),
        rows,
    )


def _paired(setup: Setup, stage: Stage, pairs: int) -> tuple[list[float], list[float]]:
    """Seconds of each answer, of the worker's own and of the gateway's."""
    (path,) = setup.run.glob("worker-0.*.sock")
    requests = [make_request(each) for each in sorted(stage.recordings.iterdir())]
    seconds: tuple[list[float], list[float]] = ([], [])
    with (
        socket.socket(socket.AF_UNIX) as worker,
        socket.create_connection((HOST, setup.server.port)) as gateway,
    ):
        worker.connect(str(path))
        for index in range(pairs + _WARM_UPS):
            request = requests[index % len(requests)]
            # The first of a pair warms caches for the second: each is first as often.
            order = ((worker, 0), (gateway, 1)) if index % 2 else ((gateway, 1), (worker, 0))
            for connection, place in order:
                took = _answer_s(connection, request)
                if index >= _WARM_UPS:
                    seconds[place].append(took)
    return seconds


def _answer_s(connection: socket.socket, request: bytes) -> float:
    started_at = time.perf_counter()
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"answered {answer.status}")
    return time.perf_counter() - started_at


def _show_memory(memory: list[Memory], uploads: int) -> None:
    rows = [
        [each.name, *(f"{held / 2**20:.1f}" for held in (before, most, most - before))]
        for each in memory
        for before, most in [(each.before, each.most)]
    ]
    title = f"Resident memory while {uploads} uploads of the largest size come in at once, MiB"
    show(title, ("process", "before", "most", "more"), rows)


def _memory_of_uploads(setup: Setup, stage: Stage, count: int) -> list[Memory]:
    """Send so many uploads of the largest size side by side, and watch.

    They are recordings followed by nothing, so that they cost no time to decode.
    """
    memory = list(_family(setup.server))
    request = make_request(min(stage.recordings.iterdir()), padding=_LARGEST - _SLACK)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((HOST, setup.server.port), 60))
            for _ in range(count)
        ]
        for start in range(0, len(request), _CHUNK):
            for connection in connections:
                connection.sendall(request[start : start + _CHUNK])
            for each in memory:
                each.watch()
        for connection in connections:
            connection.settimeout(0.05)
            while not _answered(connection):
                for each in memory:
                    each.watch()
    return memory


def _answered(connection: socket.socket) -> bool:
    with suppress(TimeoutError):
        return bool(connection.recv(65_536))
    return False


def _family(server: Server) -> Iterator[Memory]:
    supervisor = psutil.Process(server.pid)
    for process in (supervisor, *supervisor.children(recursive=True)):
        words = " ".join(process.cmdline())
        if process == supervisor:
            name = "supervisor"
        elif words.startswith("nginx"):
            name = f"Nginx, {'master' if 'master' in words else 'worker'}"
        elif "serve" in words:
            name = "server"
        else:
            continue
        yield Memory(name, process, process.memory_info().rss)


if __name__ == "__main__":
    main()
