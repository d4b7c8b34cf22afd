"""Stretches of sound, and where phones begin and end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import Alignment, HeardPhone

_REACH_S: Final = 0.08
"""A network that is trained without times marks a phone by a frame or two of it. The rest is
thought to reach halfway to the next phone, and no further than an average phone is long."""


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A stretch of sound, in seconds from its beginning."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end - self.start


def hull(spans: Iterable[TimeSpan | None]) -> TimeSpan | None:
    """From the first start to the last end; None where there is no span."""
    there = [span for span in spans if span is not None]
    if not there:
        return None
    return TimeSpan(min(span.start for span in there), max(span.end for span in there))


@dataclass(frozen=True, slots=True)
class PhoneTimes:
    """Where the phones of an alignment begin and end.

    Attributes:
        alignment: frames that mark the phones.
        frame_rate_hz: of the alignment.
        seconds: of the whole sound.
        starts: in seconds, of all marks, in order.
        stops: in seconds, of all marks, in order.
    """

    alignment: Alignment
    frame_rate_hz: float
    seconds: float
    starts: NDArray[np.float64]
    stops: NDArray[np.float64]

    @classmethod
    def of(cls, alignment: Alignment, frame_rate_hz: float, seconds: float) -> Self:
        """Expected and heard phones bound each other."""
        present, heard = alignment.present, alignment.heard
        starts = np.concatenate((alignment.starts[present], [phone.start for phone in heard]))
        stops = np.concatenate((alignment.stops[present], [phone.stop for phone in heard]))
        starts, stops = np.sort(starts) / frame_rate_hz, np.sort(stops) / frame_rate_hz
        return cls(alignment, frame_rate_hz, seconds, starts, stops)

    def expected(self, place: int) -> TimeSpan | None:
        """Of an expected phone; None where it is missing."""
        if not self.alignment.present[place]:
            return None
        return self._around(int(self.alignment.starts[place]), int(self.alignment.stops[place]))

    def heard(self, phone: HeardPhone) -> TimeSpan:
        """Of a phone that was heard."""
        return self._around(phone.start, phone.stop)

    def _around(self, first: int, after: int) -> TimeSpan:
        start, stop = first / self.frame_rate_hz, after / self.frame_rate_hz
        before = int(np.searchsorted(self.stops, start, side="right")) - 1
        behind = int(np.searchsorted(self.starts, stop, side="left"))
        previous = self.stops[before] if before >= 0 else -np.inf
        following = self.starts[behind] if behind < len(self.starts) else np.inf
        # A frame at the end may reach over it, but marks something all the same.
        end = max(stop, self.seconds)
        return TimeSpan(
            max(0.0, start - _REACH_S, float(start + previous) / 2),
            min(end, stop + _REACH_S, float(stop + following) / 2),
        )
