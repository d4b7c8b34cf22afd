"""What a frame depends on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """What a frame depends on: the time, and how loud the speaker is (0 to 1)."""

    seconds: float
    loudness: float
