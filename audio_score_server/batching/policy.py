"""When a batch goes and what is in it: pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_PATIENCE: Final = 2
"""How often an item may see younger ones go before it."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of a batch.

    Attributes:
        size: most items.
        wait_s: longest wait, from the first item's arrival, for more.
        seconds: most sound, everything counted as long as the longest item: models pad.
    """

    size: int
    wait_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """One item that could go.

    Attributes:
        seconds: how long its sound is.
        passed: in how many batches younger ones have gone before it.
    """

    seconds: float
    passed: int = 0


def wait_left(
    waiting: Sequence[Waiting],
    others: int,
    first_arrival: float,
    now: float,
    limits: BatchLimits,
) -> float:
    """Seconds a batch should still wait; 0 when it should go.

    Args:
        waiting: items that could go now.
        others: items under way that could still join.
        first_arrival: when the oldest waiting item came, in seconds of the clock of ``now``.
        now: the time.
        limits: bounds of a batch.
    """
    if others <= 0 or _full(waiting, limits):
        return 0.0
    return max(0.0, first_arrival + limits.wait_s - now)


def _full(waiting: Sequence[Waiting], limits: BatchLimits) -> bool:
    """Whether nothing could join them, however short."""
    longest = max((each.seconds for each in waiting), default=0.0)
    return len(waiting) >= limits.size or (len(waiting) + 1) * longest > limits.seconds


def choose(waiting: Sequence[Waiting], limits: BatchLimits) -> list[int]:
    """Which items go together.

    The oldest always goes, even if it alone is longer than ``limits.seconds``; then those that have
    been passed over too often; then those whose length is nearest to the oldest's, since what is
    padded is computed for nothing.

    Args:
        waiting: in order of arrival.
        limits: bounds of the batch.

    Returns:
        Their indices, in order of arrival; none only if none wait.
    """
    if not waiting:
        return []
    first = waiting[0].seconds
    order = sorted(
        range(1, len(waiting)),
        key=lambda place: (
            waiting[place].passed < _PATIENCE,
            abs(waiting[place].seconds - first) if waiting[place].passed < _PATIENCE else place,
            place,
        ),
    )
    chosen, longest = [0], first
    for place in order:
        widest = max(longest, waiting[place].seconds)
        if len(chosen) < limits.size and (len(chosen) + 1) * widest <= limits.seconds:
            chosen.append(place)
            longest = widest
    return sorted(chosen)
