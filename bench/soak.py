"""Our server under more load than it can take, for minutes: does it hold?

    python -m bench.soak [--minutes N] [--load PERCENT] [--deadline-s S]

The packaged phone encoder scores the demo's recordings, sent by a process of its own on the same
cores. First 32 clients that each wait for their score: that is the capacity. Then requests that
come at random moments, ``--load`` percent of it, minute after minute. Printed is a row for each
minute: what became of the requests, how long scores took, and the memory, descriptors and threads
of the server at its end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

import psutil
from tqdm import trange

from bench.demo import DEMO_CLIPS, DEMO_RECORDINGS
from bench.machine import describe
from bench.markdown import show_markdown
from bench.serving_phases import Phase, closed, opened
from bench.serving_processes import Server, environment, free_port, running

_CLIENTS: Final = 32
_CAPACITY_S: Final = 15.0
_MINUTE_S: Final = 60.0
_MIB: Final = 2**20
_IS_READY: Final = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=int, default=10, help="How long.")
    parser.add_argument("--load", type=float, default=150.0, help="Percent of the capacity.")
    parser.add_argument("--deadline-s", type=float, default=2.0, help="When an answer is late.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as scratch:
        port = free_port()
        command = [sys.executable, "run_server.py", "--port", str(port), "--model-keys", "phones"]
        further = {
            "AUDIO_SCORE_CACHE_DIR": str(Path(scratch) / "cache"),
            "AUDIO_SCORE_VIDEO_CLIP_DIR": str(DEMO_CLIPS),
            "AUDIO_SCORE_REQUEST_TIMEOUT_S": str(arguments.deadline_s),
            "AUDIO_SCORE_LOG_LEVEL": "warning",
        }
        with running(command, environment(further), port, _IS_READY) as server:
            recordings = _recordings(Path(scratch))
            _measure(server, recordings, arguments)


def _recordings(scratch: Path) -> Path:
    """A folder of those that belong to a clip."""
    folder = scratch / "recordings"
    folder.mkdir()
    for path in DEMO_RECORDINGS.glob("*_*_*.*"):
        (folder / path.name).symlink_to(path)
    return folder


def _measure(server: Server, recordings: Path, arguments: argparse.Namespace) -> None:
    load, deadline_s = arguments.load / 100, arguments.deadline_s
    capacity = closed(server, recordings, _CAPACITY_S, _CLIENTS).goodput
    rows = []
    for minute in trange(1, arguments.minutes + 1, desc="minutes", file=sys.stderr):
        phase = opened(server, recordings, _MINUTE_S, load * capacity, deadline_s)
        rows.append([str(minute), *_outcomes(phase, capacity), *_resources(server)])
    print(f"\n{describe('cpu', ())}")
    title = (
        f"{capacity:.1f} scores a second with {_CLIENTS} clients; then {load:.0%} of that, "
        f"answers due within {deadline_s:g} s"
    )
    outcomes = ["offered / s", "scores / s", "/ capacity", "503", "504", "late", "other errors"]
    latencies = ["p50 ms", "p99 ms"]
    resources = ["RSS MiB", "descriptors", "threads"]
    show_markdown(title, ["minute"], [*outcomes, *latencies, *resources], rows)


def _outcomes(phase: Phase, capacity: float) -> list[str]:
    return [
        f"{phase.offered:.1f}",
        f"{phase.goodput:.1f}",
        f"{phase.goodput / capacity:.2f}",
        *(f"{phase.share(kind):.1%}" for kind in ("busy", "timeout", "late", "other")),
        *(f"{1000 * phase.latency_s(percent):.0f}" for percent in (50, 99)),
    ]


def _resources(server: Server) -> list[str]:
    process = psutil.Process(server.pid)
    return [
        f"{process.memory_info().rss / _MIB:.0f}",
        str(process.num_fds()),
        str(process.num_threads()),
    ]


if __name__ == "__main__":
    main()
