"""Tables of what servers did under load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.markdown import show_markdown
from bench.measure import cores, median, ms
from bench.serving_phases import Phase


@dataclass(frozen=True, slots=True)
class Alone:
    """What the work of a score takes without a server.

    Attributes:
        service_s: of a recording alone, from its bytes to its score.
        cpu_s: CPU seconds of that.
        batch_s: of a full batch on the device.
        limit: scores a second with full batches: what the device allows, or the cores if that is
            less.
        scores: of the recordings by their names.
    """

    service_s: float
    cpu_s: float
    batch_s: float
    limit: float
    scores: dict[str, float]

    @classmethod
    def of(cls, told: dict[str, Any], size: int) -> Alone:
        """From what ``bench.serving_peers.alone`` prints, for batches of ``size``."""
        parts = (told["prepare"], told["run_alone"], told["compare"])
        batch_s, batch_cpu_s = told["run_full"]
        cpu_s_each = told["prepare"][1] + batch_cpu_s / size + told["compare"][1]
        return cls(
            service_s=sum(part[0] for part in parts),
            cpu_s=sum(part[1] for part in parts),
            batch_s=batch_s,
            limit=min(size / batch_s, cores() / cpu_s_each),
            scores=told["scores"],
        )


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


def show_closed(title: str, records: Sequence[Record], alone: Alone) -> None:
    """Clients that wait for each score."""
    rows = [
        [
            record.name,
            str(clients),
            _number(phases, lambda phase: phase.goodput),
            _percent(phases, lambda phase: phase.goodput / alone.limit),
            *_latencies(phases),
            _percent(phases, lambda phase: 1 - phase.share("ok")),
            _ms(phases, lambda phase: phase.server_s_each),
            _ms(phases, lambda phase: phase.client_s * phase.server_s_each / phase.server_s),
        ]
        for record in records
        for clients, phases in record.closed.items()
    ]
    figures = ("scores/s", "of limit", "p50 ms", "p95 ms", "p99 ms", "errors")
    costs = ("server CPU ms/score", "client CPU ms/score")
    show_markdown(title, ("server", "clients"), (*figures, *costs), rows)


def show_opened(title: str, records: Sequence[Record], deadline_s: float) -> None:
    """Requests that come by themselves."""
    rows = [
        [
            record.name,
            f"{load}%",
            _number(phases, lambda phase: phase.offered),
            _number(phases, lambda phase: phase.goodput),
            _share_of_capacity(phases, record),
            *_latencies(phases),
            _ratio(phases, lambda phase: phase.latency_s(99) / deadline_s),
            *(_share(phases, kind) for kind in ("busy", "timeout", "late", "other")),
            _ms(phases, lambda phase: phase.server_s_each),
            _ms(phases, lambda phase: phase.lag_s),
        ]
        for record in records
        for load, phases in record.opened.items()
    ]
    figures = (
        *("requests/s", "in time/s", "of capacity", "p50 ms", "p95 ms", "p99 ms"),
        *("p99 / deadline", "busy", "timeout", "late", "other"),
        *("server CPU ms/score in time", "sent late ms"),
    )
    show_markdown(title, ("server", "load"), figures, rows)


def show_summary(title: str, records: Sequence[Record], alone: Alone) -> None:
    """What it comes to; the first record is what others are held against."""
    first = median(records[0].capacity)
    rows = [
        [
            record.name,
            f"{median(record.capacity):.1f}",
            f"{min(record.capacity):.1f}",
            f"{max(record.capacity):.1f}",
            f"{median(record.capacity) / alone.limit:.0%}",
            f"{median(record.capacity) / first:.2f}",
            *_added(record, alone),
            *_overloaded(record, alone),
        ]
        for record in records
    ]
    figures = (
        *("capacity/s", "lowest", "highest", "of limit", f"/ {records[0].name}"),
        *("added ms", "added CPU ms", "in time/s at most load", "of capacity", "of limit"),
    )
    show_markdown(title, ("server",), figures, rows)


def _added(record: Record, alone: Alone) -> list[str]:
    """By the server to what the work takes, with the fewest clients."""
    phases = record.closed[min(record.closed)]
    return [
        _ms(phases, lambda phase: phase.latency_s(50) - alone.service_s),
        _ms(phases, lambda phase: phase.server_s_each - alone.cpu_s),
    ]


def _overloaded(record: Record, alone: Alone) -> list[str]:
    phases = record.opened[max(record.opened)]
    return [
        _number(phases, lambda phase: phase.goodput),
        _share_of_capacity(phases, record),
        _percent(phases, lambda phase: phase.goodput / alone.limit),
    ]


def _share_of_capacity(phases: list[Phase], record: Record) -> str:
    """Each repeat by its own capacity, of which its load was made."""
    pairs = zip(phases, record.capacity, strict=True)
    return f"{median([phase.goodput / capacity for phase, capacity in pairs]):.0%}"


def _latencies(phases: list[Phase]) -> list[str]:
    return [
        _ms(phases, lambda phase, percent=percent: phase.latency_s(percent))  # type: ignore[misc]
        for percent in (50, 95, 99)
    ]


def _share(phases: list[Phase], kind: str) -> str:
    return _percent(phases, lambda phase: phase.share(kind))


def _middle(phases: list[Phase], figure: Callable[[Phase], float]) -> float:
    return median([figure(phase) for phase in phases])


def _number(phases: list[Phase], figure: Callable[[Phase], float]) -> str:
    return f"{_middle(phases, figure):.1f}"


def _ratio(phases: list[Phase], figure: Callable[[Phase], float]) -> str:
    return f"{_middle(phases, figure):.2f}"


def _percent(phases: list[Phase], figure: Callable[[Phase], float]) -> str:
    return f"{_middle(phases, figure):.0%}"


def _ms(phases: list[Phase], figure: Callable[[Phase], float]) -> str:
    return ms(_middle(phases, figure), 1)
