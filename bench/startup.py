"""From the command line to a ready server, and where the time goes.

    python -m bench.startup [--repeats N]

Starts ``run_server.py --model-keys phones`` on the demo clips, each time as a new process, and
prints medians: seconds until it says where it listens, seconds until ``GET /health/ready`` answers
200, and its resident memory then. Three states are compared: every clip cached; an empty cache; and
an empty cache where the time warp has yet to be compiled, as on a server's first start.

A second table shows the large imports: each in a process of its own, less the bare interpreter, and
one after the other in the order in which the server gets to them, as a share of the time to ready.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from bench.demo import DEMO_CLIPS, ROOT
from bench.measure import median, progress, show, timed
from bench.server import RunningServer, running_server

_IMPORTS: Final = (
    "pydantic",
    "uvicorn",
    "numpy",
    "av",
    "torch",
    "torchaudio",
    "numba",
    "safetensors.numpy",
    "fastapi",
    "fastapi_offline",
    "audio_score_server.serving.server",
    "audio_score_server.runners.phones.runner",
)
"""In the server's own order; the last two stand for what is left."""
_TIMEOUT_S: Final = 120


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="Processes started in each state.")
    repeats = parser.parse_args().repeats
    warm, cold, first = _starts(repeats)
    rows = [
        _row("all clips cached", warm, warm),
        _row("cache empty", cold, warm),
        _row("cache empty, warp not compiled", first, warm),
    ]
    show(
        f"Start to ready, median of {repeats}",
        ("state", "listening s", "ready s", "lowest", "highest", "/ cached", "RSS MiB"),
        rows,
    )
    _show_imports(repeats, median([start.ready_s for start in warm]))


def _starts(repeats: int) -> tuple[list[RunningServer], list[RunningServer], list[RunningServer]]:
    """Starts in each of the three states, taking turns so that a noisy minute hits all alike."""
    warm, cold, first = [], [], []
    with tempfile.TemporaryDirectory(prefix="bench-startup-") as name:
        folder = Path(name)
        # Fills the cache, and Numba's, and has the libraries read from disk.
        _start(folder / "warm")
        for index in progress(range(repeats), "starts"):
            warm.append(_start(folder / "warm"))
            cold.append(_start(folder / f"cold-{index}"))
            numba = {"NUMBA_CACHE_DIR": str(folder / f"numba-{index}")}
            first.append(_start(folder / f"first-{index}", numba))
    return warm, cold, first


def _start(cache: Path, environment: Mapping[str, str] | None = None) -> RunningServer:
    with running_server(DEMO_CLIPS, cache, environment=environment) as server:
        return server


def _row(state: str, starts: list[RunningServer], warm: list[RunningServer]) -> list[str]:
    ready = [start.ready_s for start in starts]
    return [
        state,
        f"{median([start.listening_s for start in starts]):.2f}",
        f"{median(ready):.2f}",
        f"{min(ready):.2f}",
        f"{max(ready):.2f}",
        f"{median(ready) / median([start.ready_s for start in warm]):.2f}",
        f"{median([start.rss_mib for start in starts]):.0f}",
    ]


def _show_imports(repeats: int, ready_s: float) -> None:
    bare = median(timed(partial(_python, "-c", "pass"), repeats))
    alone = [
        median(timed(partial(_python, "-c", f"import {name}"), repeats)) - bare
        for name in progress(_IMPORTS, "imports")
    ]
    runs = [_in_turn() for _ in progress(range(repeats), "imports in turn")]
    added = [median([run[index][0] for run in runs]) for index in range(len(_IMPORTS))]
    memory = [median([run[index][1] for run in runs]) for index in range(len(_IMPORTS))]
    rows = [["python itself", f"{bare:.3f}", f"{bare:.3f}", f"{bare / ready_s:.1%}", ""]]
    rows += [
        [name, f"{own:.3f}", f"{more:.3f}", f"{more / ready_s:.1%}", f"{rss / 2**20:.0f}"]
        for name, own, more, rss in zip(_IMPORTS, alone, added, memory, strict=True)
    ]
    total = bare + sum(added)
    rows.append(["all", "", f"{total:.3f}", f"{total / ready_s:.1%}", f"{sum(memory) / 2**20:.0f}"])
    show(
        f"Imports, median of {repeats}; shares of the {ready_s:.2f} s to ready with a full cache",
        ("import", "alone s", "in turn s", "share", "MiB in turn"),
        rows,
    )


def _in_turn() -> list[tuple[float, float]]:
    answer: list[tuple[float, float]] = json.loads(_python("-m", "bench.imports", *_IMPORTS))
    return answer


def _python(*arguments: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        check=True,
        timeout=_TIMEOUT_S,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


if __name__ == "__main__":
    main()
