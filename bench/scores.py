"""Scores a second of the embedded phones runner, by stage and over HTTP.

    python -m bench.scores [--cores N] [--clients N ...] [--seconds S] [--repeats N]

The demo recordings, each looped or cut to four seconds and encoded again in its own format, are
scored on the CPU. First in this process, stage by stage: milliseconds a recording, with PyTorch on
one thread and on all. One thread's total gives the limit, what the cores could do if they did
nothing else. Then end to end: a real server, and from another process on the same cores clients
that each wait for one score before they ask for the next. Printed are the medians of throughput and
latency, the share of the limit, and the CPU time that a score takes in the server and in the
clients.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from bench.demo import DEMO_CLIPS, ROOT
from bench.measure import cores, median, ms, percentile, progress, show, stay_on_cores
from bench.recordings import SECONDS, Recording, demo_recordings
from bench.server import RunningServer, running_server
from bench.stages import Costs, Stages

_BATCH: Final = 8
_GRACE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """One run of the clients.

    Attributes:
        throughput: scores a second.
        p50_s: median latency.
        p95_s: latency that 95 of 100 scores stay under.
        server_s: the server's CPU seconds a score.
        clients_s: the clients' CPU seconds a score.
    """

    throughput: float
    p50_s: float
    p95_s: float
    server_s: float
    clients_s: float


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cores", type=int, default=min(2, cores()), help="Cores for everything.")
    parser.add_argument(
        "--clients", type=int, nargs="+", default=[1, 8, 16], help="Clients at once."
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="Counted in each run.")
    parser.add_argument("--repeats", type=int, default=3, help="Runs; each stage is timed thrice.")
    arguments = parser.parse_args()
    stay_on_cores(arguments.cores)
    recordings = demo_recordings()
    costs = _measure_stages(recordings, 3 * arguments.repeats)
    limit = cores() / costs.total
    print(f"\nLimit: {cores()} cores / {ms(costs.total)} ms = {limit:.1f} scores a second")
    _measure_loads(recordings, arguments.clients, arguments.seconds, arguments.repeats, limit)


def _measure_stages(recordings: list[Recording], repeats: int) -> Costs:
    """Print both tables' worth of stages; the costs on one thread."""
    stages = Stages(recordings, _BATCH)
    torch.set_num_threads(1)
    one = stages.costs(repeats, "stages, one thread")
    torch.set_num_threads(cores())
    all_ = stages.costs(repeats, f"stages, {cores()} threads")
    names = ("decode", "prepare", "run, alone", f"run, batches of {_BATCH}", "score", "total")
    show(
        f"Milliseconds a recording of {SECONDS:g} s: {len(recordings)} recordings, "
        f"median of {repeats}; the total is with full batches",
        ("stage", "1 thread", f"{cores()} threads", "ratio"),
        [
            [name, ms(single), ms(several), f"{single / several:.2f}"]
            for name, single, several in zip(names, _cells(one), _cells(all_), strict=True)
        ],
    )
    return one


def _cells(costs: Costs) -> tuple[float, ...]:
    return (
        costs.decode,
        costs.prepare,
        costs.run_alone,
        costs.run_batched,
        costs.score,
        costs.total,
    )


def _measure_loads(
    recordings: list[Recording], clients: list[int], seconds: float, repeats: int, limit: float
) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-scores-") as name:
        folder = Path(name) / "recordings"
        folder.mkdir()
        for recording in recordings:
            (folder / recording.name).write_bytes(recording.data)
        with running_server(DEMO_CLIPS, Path(name) / "cache", flags=["--device", "cpu"]) as server:
            # One run that does not count: threads start, allocators fill up.
            _load(server, folder, max(clients), 1.0)
            loads = {
                count: [_load(server, folder, count, seconds) for _ in range(repeats)]
                for count in progress(clients, "clients")
            }
    show(
        f"End to end over HTTP, {cores()} cores for server and clients, median of {repeats} runs "
        f"of {seconds:g} s",
        (
            "clients",
            "scores/s",
            "p50 ms",
            "p95 ms",
            "of limit",
            "server CPU ms/score",
            "clients' CPU ms/score",
        ),
        [_row(count, runs, limit) for count, runs in loads.items()],
    )


def _load(server: RunningServer, folder: Path, clients: int, seconds: float) -> Load:
    options = {
        "--port": server.port,
        "--clients": clients,
        "--seconds": seconds,
        "--recordings": folder,
    }
    words = [str(word) for pair in options.items() for word in pair]
    before_s = server.cpu_s()
    finished = subprocess.run(
        [sys.executable, "-m", "bench.load", *words],
        cwd=ROOT,
        check=True,
        timeout=seconds + _GRACE_S,
        stdout=subprocess.PIPE,
    )
    answer = json.loads(finished.stdout)
    latencies, scores = answer["latencies_s"], answer["scores"]
    return Load(
        len(latencies) / seconds,
        percentile(latencies, 50),
        percentile(latencies, 95),
        (server.cpu_s() - before_s) / scores,
        answer["cpu_s"] / len(latencies),
    )


def _row(clients: int, runs: list[Load], limit: float) -> list[str]:
    throughput = median([run.throughput for run in runs])
    return [
        str(clients),
        f"{throughput:.1f}",
        ms(median([run.p50_s for run in runs]), 1),
        ms(median([run.p95_s for run in runs]), 1),
        f"{throughput / limit:.0%}",
        ms(median([run.server_s for run in runs]), 1),
        ms(median([run.clients_s for run in runs]), 1),
    ]


if __name__ == "__main__":
    main()
