"""When to ask again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_FIRST_S: Final = 0.25
_DOUBLINGS: Final = 5
_PASSING: Final = (408, 409, 429)


def passing(status: int) -> bool:
    """Whether an HTTP status may be another one next time."""
    return status in _PASSING or status >= 500


def pause_s(tries: int, chance: float, asked_s: float | None) -> float:
    """Seconds to wait before the next try: doubling, spread so that many do not come at once.

    Args:
        tries: how many failed before the last one.
        chance: random, from 0 to 1.
        asked_s: what the host asked for; it is waited at the least.
    """
    longest = math.ldexp(_FIRST_S, min(tries, _DOUBLINGS))
    return max(longest * (1 + chance) / 2, asked_s or 0.0)


def asked_pause_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, given as such or as a date; None without.

    Args:
        headers: of the response, names in lower case.
        now: the time, with its zone.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value, now)
    return None if math.isnan(seconds) else seconds


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - now.timestamp()
