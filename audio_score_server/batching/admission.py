"""Who may come in: as many as the capacity allows, and no more than can be served in time."""

from __future__ import annotations

from typing import Final

from audio_score_server.errors import QueueFull

_SMOOTHING: Final = 0.2
"""Weight of the last batch in the measured rate."""
_MOST_RETRY_S: Final = 60.0
_FEWEST_BATCHES: Final = 2
_SHARE_FOR_WAITING: Final = 0.7
"""Of the time a caller has, what the queue may take: arrivals and batches come unevenly."""


class Admission:
    """Counts callers, and measures how many are served a second; for one thread at a time."""

    def __init__(self, capacity: int, batch_size: int) -> None:
        """``capacity``: most callers at once; ``batch_size``: most that are served together."""
        self._capacity = capacity
        self._batch_size = batch_size
        self._inflight = 0
        self._rate = 0.0

    def rejection(self, left_s: float) -> QueueFull | None:
        """Why a caller would not be let in; None where it would.

        Args:
            left_s: how long it will wait for its answer. One that would hardly be served by then is
                rejected, since letting it in would make all of them late.
        """
        if self._inflight >= self._capacity or self._too_late(left_s):
            return QueueFull(self._inflight, self._until_free_s())
        return None

    def enter(self) -> None:
        """One more caller is in."""
        self._inflight += 1

    def leave(self) -> None:
        """One caller has its answer, or has left without."""
        self._inflight -= 1

    def observe(self, count: int, seconds: float) -> None:
        """So many were served in so many seconds, during which the device was never idle."""
        rate = count / max(seconds, 1e-6)
        self._rate = rate if not self._rate else self._rate + _SMOOTHING * (rate - self._rate)

    def _too_late(self, left_s: float) -> bool:
        # Of less than two batches the measured rate says little.
        return (
            self._rate > 0
            and self._inflight >= _FEWEST_BATCHES * self._batch_size
            and self._until_free_s() > _SHARE_FOR_WAITING * left_s
        )

    def _until_free_s(self) -> float:
        """When, at the measured rate, all that is in now will be done."""
        return min(_MOST_RETRY_S, self._inflight / self._rate) if self._rate else 1.0
