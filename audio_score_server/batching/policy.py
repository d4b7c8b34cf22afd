"""When a batch goes and what is in it: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of a batch.

    Attributes:
        size: most items.
        wait_s: longest wait, from the first item's arrival, for more.
    """

    size: int
    wait_s: float


def wait_left(
    waiting: int, others: int, first_arrival: float, now: float, limits: BatchLimits
) -> float:
    """Seconds a batch should still wait; 0 when it should go.

    Args:
        waiting: items that could go now.
        others: items under way that could still join.
        first_arrival: when the oldest waiting item came, in seconds of the clock of ``now``.
        now: the time.
        limits: bounds of a batch.
    """
    if waiting >= limits.size or others <= 0:
        return 0.0
    return max(0.0, first_arrival + limits.wait_s - now)
