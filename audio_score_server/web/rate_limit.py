"""How many requests each client may send: a bucket of tokens for each, as plain arithmetic."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_MINUTE_S: Final = 60.0
_ROUNDING_S: Final = 1e-6
MOST_CLIENTS: Final = 10_000
"""Those heard of last are remembered: some megabytes."""


class RateLimit:
    """A bucket for each client: holds a minute's requests, and fills evenly.

    A client that was quiet may send a minute's requests at once. Of each bucket only the time is
    kept at which it will be full.
    """

    def __init__(self, per_minute: int, most_clients: int = MOST_CLIENTS) -> None:
        self.per_minute = per_minute
        self._interval_s = _MINUTE_S / per_minute
        self._most_clients = most_clients
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Clients that are remembered."""
        return len(self._full_at)

    def wait_s(self, client: str, now: float) -> float:
        """Take a token out of a client's bucket.

        Args:
            client: who asks.
            now: in seconds, on a clock that never goes back.

        Returns:
            0 where there was one; else the seconds until there is, and none was taken.
        """
        full_at = self._full_at.get(client, now)
        full_next = max(full_at, now) + self._interval_s
        missing_s = full_next - now - _MINUTE_S
        refused = missing_s > _ROUNDING_S
        self._full_at[client] = full_at if refused else full_next
        self._full_at.move_to_end(client)
        if len(self._full_at) > self._most_clients:
            self._full_at.popitem(last=False)
        return missing_s if refused else 0.0
