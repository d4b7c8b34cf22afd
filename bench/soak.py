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

from tqdm import trange

from bench import options
from bench.demo import DEMO_CLIPS, DEMO_RECORDINGS
from bench.machine import describe
from bench.measure import show
from bench.phases import Phase, closed, opened
from bench.server import Server, phones_server

_CLIENTS: Final = 32
_CAPACITY_S: Final = 15.0
_MINUTE_S: Final = 60.0


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    parser.add_argument("--minutes", type=options.count, default=10, help="How long.")
    parser.add_argument("--load", type=float, default=150.0, help="Percent of the capacity.")
    parser.add_argument("--deadline-s", type=float, default=2.0, help="When an answer is late.")
    arguments = parser.parse_args()
    variables = {
        "AUDIO_SCORE_REQUEST_TIMEOUT_S": str(arguments.deadline_s),
        "AUDIO_SCORE_LOG_LEVEL": "warning",
    }
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as scratch:
        recordings = Path(scratch) / "recordings"
        recordings.mkdir()
        for path in DEMO_RECORDINGS.glob("*_*_*.*"):
            (recordings / path.name).symlink_to(path)
        with phones_server(DEMO_CLIPS, Path(scratch) / "cache", variables) as server:
            _measure(server, recordings, arguments)


def _measure(server: Server, recordings: Path, arguments: argparse.Namespace) -> None:
    load, deadline_s = arguments.load / 100, arguments.deadline_s
    capacity = closed(server, recordings, _CAPACITY_S, _CLIENTS).goodput
    rows = []
    for minute in trange(1, arguments.minutes + 1, desc="minutes", file=sys.stderr):
        phase = opened(server, recordings, _MINUTE_S, load * capacity, deadline_s)
        rss, descriptors, threads = server.held()
        held = [f"{rss:.0f}", str(descriptors), str(threads)]
        rows.append([str(minute), *_outcomes(phase, capacity), *held])
    print(f"\n{describe('cpu', ())}")
    outcomes = ("offered / s", "scores / s", "/ capacity", "503", "504", "late", "other errors")
    held_names = ("RSS MiB", "descriptors", "threads")
    show(
        f"{capacity:.1f} scores a second with {_CLIENTS} clients; then {load:.0%} of that, "
        f"answers due within {deadline_s:g} s",
        ("minute", *outcomes, "p50 ms", "p99 ms", *held_names),
        rows,
    )


def _outcomes(phase: Phase, capacity: float) -> list[str]:
    return [
        f"{phase.offered:.1f}",
        f"{phase.goodput:.1f}",
        f"{phase.goodput / capacity:.2f}",
        *(f"{phase.share(kind):.1%}" for kind in ("busy", "timeout", "late", "other")),
        *(f"{1000 * phase.latency_s(percent):.0f}" for percent in (50, 99)),
    ]


if __name__ == "__main__":
    main()
