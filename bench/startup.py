"""From the command line to a ready server, and where the time goes.

    python -m bench.startup [--clips N] [--repeats N]

Starts our server with the phone encoder, each time as a new process, and prints medians: seconds
until it answers anything, seconds until ``GET /health/ready`` answers 200, and its resident memory
then. Compared are the demo with every clip cached; with an empty cache; with an empty cache where
the time warp has yet to be compiled, as on a server's first start; and a library of ``--clips``
cached clips, which have just been written, so that they are read from memory rather than from a
disk. A second table shows the large imports, one after the other in the order in which the server
gets to them, as a share of the time to ready.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench import options
from bench.demo import DEMO_CLIPS, ROOT
from bench.library import make_library
from bench.measure import median, progress, show, timed
from bench.server import phones_server

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
_IMPORT: Final = """
import importlib, json, sys, time, psutil
process, added = psutil.Process(), []
for name in sys.argv[1:]:
    before, started = process.memory_info().rss, time.perf_counter()
    importlib.import_module(name)
    added.append([time.perf_counter() - started, process.memory_info().rss - before])
print(json.dumps(added))
"""
"""Prints seconds and bytes of resident memory that each module adds to those before it."""
_TIMEOUT_S: Final = 120


Start = tuple[float, float, float]
"""Seconds to the first answer and to ready, and resident memory in MiB then."""


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("--clips", type=options.count, default=10_000, help="Clips of the large library.")
    add("--repeats", type=options.count, default=5, help="Starts in each state.")
    arguments = parser.parse_args()
    states = _starts(arguments.clips, arguments.repeats)
    cached_s = median([ready_s for _, ready_s, _ in next(iter(states.values()))])
    show(
        f"Start to ready, median of {arguments.repeats}",
        ("state", "listening s", "ready s", "lowest", "highest", "/ cached", "RSS MiB"),
        [_row(state, starts, cached_s) for state, starts in states.items()],
    )
    _show_imports(arguments.repeats, cached_s)


def _starts(clips: int, repeats: int) -> dict[str, list[Start]]:
    """Starts in each state, taking turns so that a noisy minute hits all alike."""
    warm, cold, first, many = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="bench-startup-") as name:
        folder = Path(name)
        # Fills the cache, and Numba's, and has the libraries read from disk.
        _start(DEMO_CLIPS, folder / "warm")
        library, cache = make_library(folder / "many", clips, folder / "warm")
        for index in progress(range(repeats), "starts"):
            warm.append(_start(DEMO_CLIPS, folder / "warm"))
            cold.append(_start(DEMO_CLIPS, folder / f"cold-{index}"))
            numba = {"NUMBA_CACHE_DIR": str(folder / f"numba-{index}")}
            first.append(_start(DEMO_CLIPS, folder / f"first-{index}", numba))
            many.append(_start(library, cache, cached=clips))
    return {
        "all clips cached": warm,
        "cache empty": cold,
        "cache empty, warp not compiled": first,
        f"{clips:,} clips cached": many,
    }


def _start(
    clips: Path, cache: Path, variables: Mapping[str, str] | None = None, cached: int = 0
) -> Start:
    with phones_server(clips, cache, variables) as server:
        # Clips that the server took for stale would be encoded anew and measure something else.
        if cached and f" {cached} of {cached} clips are cached" not in server.log:
            raise server.failure("The server did not find its cache complete")
        return server.listening_s, server.ready_s, server.held()[0]


def _row(state: str, starts: Sequence[Start], cached_s: float) -> list[str]:
    listening, ready, rss_mib = zip(*starts, strict=True)
    figures = (median(listening), median(ready), min(ready), max(ready), median(ready) / cached_s)
    return [state, *(f"{figure:.2f}" for figure in figures), f"{median(rss_mib):.1f}"]


def _show_imports(repeats: int, ready_s: float) -> None:
    bare = median(timed(partial(_python, "-c", "pass"), repeats))
    runs = [
        json.loads(_python("-c", _IMPORT, *_IMPORTS)) for _ in progress(range(repeats), "imports")
    ]
    added = [("python itself", bare, 0.0)]
    for index, name in enumerate(_IMPORTS):
        seconds, rss = (median([run[index][side] for run in runs]) for side in (0, 1))
        added.append((name, seconds, rss))
    added.append(("all", sum(each[1] for each in added), sum(each[2] for each in added)))
    show(
        f"Imports, median of {repeats}; shares of the {ready_s:.2f} s to ready with a full cache",
        ("import", "seconds", "share", "MiB"),
        [
            [name, f"{seconds:.3f}", f"{seconds / ready_s:.1%}", f"{rss / 2**20:.0f}"]
            for name, seconds, rss in added
        ],
    )


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
