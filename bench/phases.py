"""One load on one server: sent from a process of its own, watched from this one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from bench.demo import ROOT
from bench.load import BEGIN, END
from bench.measure import percentile
from bench.server import Server

_NO_DEADLINE_S: Final = 60.0
_WARM_UP_S: Final = 0.7


@dataclass(frozen=True, slots=True)
class Phase:
    """What came of a load.

    Attributes:
        seconds: how long was counted.
        kinds: requests by what became of them: ``ok``, ``late``, ``busy``, ``timeout``, ``other``.
        latencies_s: of those that were ``ok`` or ``late``; late ones may not have been answered.
        lag_s: how late all but one of a hundred requests were sent at most.
        server_s: CPU seconds of the server's processes.
        client_s: CPU seconds of the process that sent the load.
    """

    seconds: float
    kinds: Mapping[str, int]
    latencies_s: list[float]
    lag_s: float
    server_s: float
    client_s: float

    @property
    def goodput(self) -> float:
        """Scores a second that came in time."""
        return self.kinds.get("ok", 0) / self.seconds

    @property
    def offered(self) -> float:
        """Requests a second."""
        return sum(self.kinds.values()) / self.seconds

    @property
    def server_s_each(self) -> float:
        """CPU seconds of the server for a score in time."""
        return self.server_s / max(1, self.kinds.get("ok", 0))

    def share(self, kind: str) -> float:
        """Of all requests."""
        return self.kinds.get(kind, 0) / max(1, sum(self.kinds.values()))

    def latency_s(self, percent: float) -> float:
        """Which that share of the scores did not exceed; 0 without any."""
        return percentile(self.latencies_s, percent) if self.latencies_s else 0.0


def closed(server: Server, recordings: Path, seconds: float, clients: int) -> Phase:
    """Clients that each wait for one score before they ask for the next."""
    way = ["--clients", clients, "--warm-up-s", _WARM_UP_S, "--deadline-s", _NO_DEADLINE_S]
    return _run(server, recordings, seconds, way)


def opened(
    server: Server, recordings: Path, seconds: float, rate: float, deadline_s: float
) -> Phase:
    """Requests that come at random moments, whatever becomes of those before.

    Counting begins when the first of them would be late: queues are full by then, if they fill.
    """
    way = ["--rate", rate, "--warm-up-s", deadline_s, "--deadline-s", deadline_s]
    return _run(server, recordings, seconds, way)


def _run(server: Server, recordings: Path, seconds: float, way: list[object]) -> Phase:
    options = ["--port", server.port, "--recordings", recordings, "--seconds", seconds]
    command = [sys.executable, "-m", "bench.load", *map(str, (*options, *way))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        before = _used_at(BEGIN, process.stdout, server)
        after = _used_at(END, process.stdout, server)
        answer = process.stdout.read()
    if not server.running:
        raise server.failure("It ended under load")
    told = json.loads(answer)
    return Phase(
        seconds=seconds,
        kinds=told["kinds"],
        latencies_s=told["latencies_s"],
        lag_s=percentile(told["lags_s"], 99) if told["lags_s"] else 0.0,
        # Of processes new since, all that they used.
        server_s=sum(used - before.get(pid, 0.0) for pid, used in after.items()),
        client_s=told["cpu_s"],
    )


def _used_at(word: str, lines: IO[str], server: Server) -> dict[int, float]:
    said = lines.readline().strip()
    if said != word:
        raise RuntimeError(f"bench.load said {said!r} instead of {word!r}")
    return server.cpu_s()
