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
look, not for figures.

Nginx has to be installed (on Debian: apt-get install nginx-light).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.gateway_setups import (
    ALONE,
    Memory,
    Setup,
    memory_of_uploads,
    nginx_version,
    paired,
    started,
)
from bench.machine import describe
from bench.markdown import show_markdown
from bench.measure import cores, median, ms, percentile, progress
from bench.serving_phases import Phase, closed
from bench.serving_stage import Stage, Stub, set_stage

_PACKAGES: Final = ("fastapi", "uvicorn", "uvloop", "httptools")
_QUICK_S: Final = 1.5
_QUICK_PAIRS: Final = 100
_MODEL: Final = "stand-in"


def main() -> None:
    """Command line."""
    arguments = _arguments()
    version = nginx_version()
    with tempfile.TemporaryDirectory(prefix="bg-") as scratch:
        slow = set_stage(_MODEL, Stub(arguments.batch_ms, 0), Path(scratch) / "slow", Path(scratch))
        quick = set_stage(_MODEL, Stub(0, 0), Path(scratch) / "quick", Path(scratch))
        print(f"\n{describe('cpu', _PACKAGES)} Nginx {version}.")
        _show_throughput(slow, arguments)
        with started(quick, 1) as setup:
            _show_added(setup, quick, arguments.pairs)
            _show_memory(memory_of_uploads(setup, quick, arguments.uploads), arguments.uploads)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--workers", type=_counts, default=[1, 2, 4], help="Workers behind the gateway.")
    add("--batch-ms", type=float, default=400.0, help="How long a batch occupies the stand-in.")
    add("--clients", type=int, default=16, help="For each worker.")
    add("--seconds", type=float, default=6.0, help="Counted of each load.")
    add("--repeats", type=int, default=3, help="Lives of each set-up.")
    add("--pairs", type=int, default=400, help="Requests to time the gateway by.")
    add("--uploads", type=int, default=8, help="Of the largest size, at once.")
    add("--quick", action="store_true", help=f"One repeat of {_QUICK_S:g} s.")
    arguments = parser.parse_args()
    counts = (arguments.repeats, arguments.clients, arguments.pairs, arguments.uploads)
    if min(counts) < 1 or arguments.seconds <= 0:
        parser.error("numbers must be above 0")
    if arguments.quick:
        arguments.repeats, arguments.seconds, arguments.pairs = 1, _QUICK_S, _QUICK_PAIRS
    return arguments


def _counts(text: str) -> list[int]:
    for word in text.split(","):
        if not word.isdecimal() or int(word) == 0:
            raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 on")
    return [int(word) for word in text.split(",")]


def _measured(
    stage: Stage, setups: Sequence[int], arguments: argparse.Namespace
) -> dict[int, list[Phase]]:
    """Phases of each set-up, by its number of workers."""
    phases: dict[int, list[Phase]] = {workers: [] for workers in setups}
    lives = [workers for _ in range(arguments.repeats) for workers in setups]
    for workers in progress(lives, "set-ups"):
        with started(stage, workers) as setup:
            stage.settle(setup.server)
            clients = arguments.clients * max(1, workers)
            phase = closed(setup.server, stage.recordings, arguments.seconds, clients)
            phases[workers].append(phase)
    return phases


def _show_throughput(stage: Stage, arguments: argparse.Namespace) -> None:
    setups = [ALONE, *arguments.workers]
    phases = _measured(stage, setups, arguments)
    alone = median([phase.goodput for phase in phases[ALONE]])
    rows = []
    for setup in setups:
        goodput = median([phase.goodput for phase in phases[setup]])
        used = median([(each.server_s + each.client_s) / each.seconds for each in phases[setup]])
        rows.append(
            [
                _name(setup),
                str(arguments.clients * max(1, setup)),
                f"{goodput:.1f}",
                f"{100 * goodput / (alone * max(1, setup)):.0f} %",
                ms(median([phase.latency_s(50) for phase in phases[setup]]), 0),
                ms(median([phase.latency_s(99) for phase in phases[setup]]), 0),
                f"{used:.2f} of {cores()}",
            ]
        )
    show_markdown(
        f"Throughput, a batch taking {arguments.batch_ms:g} ms, {_repeats(arguments)}",
        ("servers",),
        ("clients", "scores/s", "of workers x one", "p50 ms", "p99 ms", "cores used"),
        rows,
    )


def _show_added(setup: Setup, stage: Stage, pairs: int) -> None:
    own, through = paired(setup, stage, pairs)
    added = [after - before for before, after in zip(own, through, strict=True)]
    rows = [
        [name, *(ms(percentile(seconds, percent)) for percent in (50, 90, 99))]
        for name, seconds in (("worker", own), ("gateway", through), ("added", added))
    ]
    show_markdown(
        f"The same recording to a worker's socket and through the gateway, {pairs} times by turns, "
        "a stand-in that takes no time",
        ("",),
        ("p50 ms", "p90 ms", "p99 ms"),
        rows,
    )


def _show_memory(memory: Sequence[Memory], uploads: int) -> None:
    rows = [
        [each.name, f"{each.before / 2**20:.1f}", f"{each.most / 2**20:.1f}", f"{each.grown:.1f}"]
        for each in memory
    ]
    show_markdown(
        f"Resident memory while {uploads} uploads of the largest size come in at once, MiB",
        ("process",),
        ("before", "most", "more"),
        rows,
    )


def _name(setup: int) -> str:
    return "one server, no gateway" if setup == ALONE else f"gateway, workers: {setup}"


def _repeats(arguments: argparse.Namespace) -> str:
    return f"median of {arguments.repeats} x {arguments.seconds:g} s"


if __name__ == "__main__":
    main()
