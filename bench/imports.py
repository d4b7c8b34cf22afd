"""What each of some imports adds after those before it.

    python -m bench.imports MODULE [MODULE ...]

Prints one JSON list, ``[seconds, bytes of resident memory]`` for each module. ``bench.startup``
runs it in fresh processes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time

import psutil


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="In this order.")
    modules = parser.parse_args().modules
    process = psutil.Process()
    added = []
    for name in modules:
        before, started = process.memory_info().rss, time.perf_counter()
        importlib.import_module(name)
        added.append([time.perf_counter() - started, process.memory_info().rss - before])
    print(json.dumps(added))


if __name__ == "__main__":
    main()
