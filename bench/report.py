"""Tables of what servers did under load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.alone import Alone
from bench.measure import median, show
from bench.phases import Phase

Figure = Callable[[Phase], float]


@dataclass(slots=True)
class Record:
    """One contender's phases, a list of repeats for each load.

    Attributes:
        name: of the contender.
        closed: by number of clients.
        opened: by load in percent of the capacity.
    """

    name: str
    closed: dict[int, list[Phase]] = field(default_factory=dict)
    opened: dict[int, list[Phase]] = field(default_factory=dict)

    @property
    def capacity(self) -> list[float]:
        """Scores a second with the most clients, in each repeat."""
        return [phase.goodput for phase in self.closed[max(self.closed)]]


_LATENCIES: Final[dict[str, Figure]] = {
    "p50 ms": lambda phase: 1000 * phase.latency_s(50),
    "p95 ms": lambda phase: 1000 * phase.latency_s(95),
    "p99 ms": lambda phase: 1000 * phase.latency_s(99),
}
_CLOSED: Final[dict[str, Figure]] = {
    "scores/s": lambda phase: phase.goodput,
    **_LATENCIES,
    "errors %": lambda phase: 100 - 100 * phase.share("ok"),
    "server CPU ms/score": lambda phase: 1000 * phase.server_s_each,
    "client CPU ms/score": lambda phase: 1000 * phase.client_s / max(1, phase.kinds.get("ok", 0)),
}
_OPENED: Final[dict[str, Figure]] = {
    "requests/s": lambda phase: phase.offered,
    "in time/s": lambda phase: phase.goodput,
    **_LATENCIES,
    "busy %": lambda phase: 100 * phase.share("busy"),
    "timeout %": lambda phase: 100 * phase.share("timeout"),
    "late %": lambda phase: 100 * phase.share("late"),
    "other %": lambda phase: 100 * phase.share("other"),
    "server CPU ms/score in time": lambda phase: 1000 * phase.server_s_each,
    "sent late ms": lambda phase: 1000 * phase.lag_s,
}
"""Figures of a phase by the headers of their columns."""


def show_closed(title: str, records: Sequence[Record], alone: Alone) -> None:
    """Clients that wait for each score."""
    rows = [
        [
            record.name,
            str(clients),
            *_cells(phases, _CLOSED),
            f"{_middle(phases, _CLOSED['scores/s']) / alone.limit:.0%}",
        ]
        for record in records
        for clients, phases in record.closed.items()
    ]
    show(title, ("server", "clients", *_CLOSED, "of limit"), rows, left=2)


def show_opened(title: str, records: Sequence[Record], deadline_s: float) -> None:
    """Requests that come by themselves."""
    rows = [
        [
            record.name,
            f"{load}%",
            *_cells(phases, _OPENED),
            _share_of_capacity(phases, record),
            f"{_middle(phases, _LATENCIES['p99 ms']) / 1000 / deadline_s:.2f}",
        ]
        for record in records
        for load, phases in record.opened.items()
    ]
    show(title, ("server", "load", *_OPENED, "of capacity", "p99 / deadline"), rows, left=2)


def show_summary(title: str, records: Sequence[Record], alone: Alone) -> None:
    """What it comes to; the first record is what others are held against."""
    first = median(records[0].capacity)
    rows = []
    for record in records:
        capacity = median(record.capacity)
        fewest = record.closed[min(record.closed)]
        # What the server adds to the work itself.
        added = (
            _middle(fewest, lambda phase: phase.latency_s(50) - alone.service_s),
            _middle(fewest, lambda phase: phase.server_s_each - alone.cpu_s),
        )
        most = record.opened[max(record.opened)]
        goodput = _middle(most, lambda phase: phase.goodput)
        rows.append(
            [
                record.name,
                *(f"{each:.1f}" for each in (capacity, min(record.capacity), max(record.capacity))),
                f"{capacity / alone.limit:.0%}",
                f"{capacity / first:.2f}",
                *(f"{1000 * each:.1f}" for each in added),
                f"{goodput:.1f}",
                _share_of_capacity(most, record),
                f"{goodput / alone.limit:.0%}",
            ]
        )
    figures = ("capacity/s", "lowest", "highest", "of limit", f"/ {records[0].name}")
    added_to = ("added ms", "added CPU ms", "in time/s at most load", "of capacity", "of limit")
    show(title, ("server", *figures, *added_to), rows)


def _share_of_capacity(phases: list[Phase], record: Record) -> str:
    """Each repeat by its own capacity, of which its load was made."""
    pairs = zip(phases, record.capacity, strict=True)
    return f"{median([phase.goodput / capacity for phase, capacity in pairs]):.0%}"


def _cells(phases: list[Phase], figures: dict[str, Figure]) -> list[str]:
    return [f"{_middle(phases, figure):.1f}" for figure in figures.values()]


def _middle(phases: list[Phase], figure: Figure) -> float:
    return median([figure(phase) for phase in phases])
