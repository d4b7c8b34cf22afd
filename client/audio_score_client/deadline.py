"""Until when an operation may take."""

from __future__ import annotations

import math
import time
from typing import Any, Final

_LONGEST_MS: Final = 86_400_000
"""The most that the server takes for ``X-Request-Timeout-Ms``."""
_SHORTEST_S: Final = 0.001


class Deadline:
    """A moment after which nobody waits any more."""

    def __init__(self, seconds: float) -> None:
        """So many seconds from now, more than 0; ``math.inf`` for no limit.

        Raises:
            ValueError: it is no such number.
        """
        if not seconds > 0:
            raise ValueError(f"timeout_s is {seconds!r}; give more than 0, math.inf for no limit.")
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds that are left; 0 when there are none."""
        return max(0.0, self._end - time.monotonic())

    @property
    def headers(self) -> dict[str, str]:
        """What tells the server how long its answer is waited for."""
        if math.isinf(self.seconds):
            return {}
        left_ms = round(1000 * self.left_s())
        return {"X-Request-Timeout-Ms": str(min(_LONGEST_MS, max(1, left_ms)))}


class TimeoutLeft(dict[str, Any]):
    """httpx's timeouts of a request, each as long as is left when it is asked for.

    Connecting, sending, waiting and receiving ask one after the other; with plain numbers each of
    them could take as long as the whole.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def get(self, key: str, default: Any = None) -> Any:
        """The time that is left for what comes now, in seconds; None for no limit."""
        left_s = self._deadline.left_s()
        return None if math.isinf(left_s) else max(_SHORTEST_S, left_s)
