"""Timing, summaries and tables that the measurements share."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

import numpy as np
from tqdm import tqdm

Item = TypeVar("Item")


def timed(action: Callable[[], object], repeats: int, warm_ups: int = 1) -> list[float]:
    """Wall-clock seconds of each of ``repeats`` calls, after ``warm_ups`` that do not count."""
    for _ in range(warm_ups):
        action()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return seconds


def median(values: Collection[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of the values do not exceed, between neighbours."""
    return float(np.percentile(values, percent))


def cores() -> int:
    """CPU cores that this process, and what it starts, may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def progress(items: Collection[Item], what: str) -> Iterator[Item]:
    """The items, with a bar on standard error."""
    yield from tqdm(items, desc=what, file=sys.stderr, leave=False)


def ms(seconds: float, digits: int = 2) -> str:
    """Milliseconds for a table."""
    return f"{seconds * 1000:.{digits}f}"


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a Markdown table.

    Args:
        title: stands above the table.
        header: one name a column.
        rows: cells, as many in each row as in the header.
        left: columns that are set to the left; the others, figures, are to the right.
    """
    rules = ["---"] * left + ["--:"] * (len(header) - left)
    print(f"\n{title}:\n")
    for cells in (header, rules, *rows):
        print(f"| {' | '.join(cells)} |")
    sys.stdout.flush()
