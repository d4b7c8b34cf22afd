"""Which of the phones that were heard belong to which of those expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from audio_score_server.domain import Alignment, HeardPhone

_NEAR_S: Final = 0.1
"""A lone sound so soon after a phone is that phone's: an S at the end of "look", say."""
_ADDED_PHONES: Final = 3
"""So many phones are a word, and not a slip; shorter words cannot be told from one."""
_ADDED_S: Final = 0.25
"""So long two phones take if they are meant: an average phone takes 0.08 s."""
_PAUSE_S: Final = 0.3
"""Between phones that are so far apart one word ends and another begins."""
_EXCESS: Final = 2
"""What stands in a gap replaces the missing phones, up to so many for each."""


@dataclass(frozen=True, slots=True)
class PhoneMatch:
    """What was heard, divided among what was expected.

    Attributes:
        instead: for each expected phone, what was heard in its place, in order.
        added: stretches that nothing accounts for, long enough to be words.
    """

    instead: tuple[tuple[HeardPhone, ...], ...]
    added: tuple[tuple[HeardPhone, ...], ...]


def match_phones(alignment: Alignment, frame_rate_hz: float) -> PhoneMatch:
    """Divide what was heard among the expected phones.

    A heard phone belongs to the expected one that it overlaps most. Those between two expected
    phones replace the ones that are missing there; where none is missing they are a word of their
    own, or a slip at the end of the phone before.
    """
    division = _Matcher(alignment, frame_rate_hz)
    present = np.flatnonzero(alignment.present).tolist()
    gaps: list[list[HeardPhone]] = [[] for _ in range(len(present) + 1)]
    starts, stops = alignment.starts[present], alignment.stops[present]
    for phone in alignment.heard:
        overlaps = np.minimum(stops, phone.stop) - np.maximum(starts, phone.start)
        if len(present) and overlaps.max() > 0:
            division.instead[present[int(overlaps.argmax())]].append(phone)
        else:
            gaps[int(np.searchsorted(starts, phone.start, side="right"))].append(phone)
    bounds = [-1, *present, len(alignment.present)]
    for (before, after), phones in zip(pairwise(bounds), gaps, strict=True):
        division.fill(before, range(before + 1, after), phones)
    instead = (sorted(each, key=lambda phone: phone.start) for each in division.instead)
    return PhoneMatch(tuple(map(tuple, instead)), tuple(division.added))


class _Matcher:
    """What has been divided so far."""

    def __init__(self, alignment: Alignment, frame_rate_hz: float) -> None:
        self.instead: list[list[HeardPhone]] = [[] for _ in alignment.present]
        self.added: list[tuple[HeardPhone, ...]] = []
        self._stops = alignment.stops
        self._rate = frame_rate_hz

    def fill(self, before: int, missing: Sequence[int], phones: list[HeardPhone]) -> None:
        """Account for phones heard after an expected one, where others are missing."""
        replacing = phones[: _EXCESS * len(missing)]
        for place, phone in enumerate(replacing):
            self.instead[missing[place * len(missing) // len(replacing)]].append(phone)
        for stretch in self._stretches(phones[len(replacing) :]):
            if self._long_enough(stretch):
                self.added.append(tuple(stretch))
            elif before >= 0 and not replacing:
                near = self._stops[before] + _NEAR_S * self._rate
                self.instead[before].extend(phone for phone in stretch if phone.start <= near)

    def _stretches(self, phones: list[HeardPhone]) -> list[list[HeardPhone]]:
        """Split where there is a pause."""
        breaks = [
            place
            for place, (one, other) in enumerate(pairwise(phones), start=1)
            if other.start - one.stop > _PAUSE_S * self._rate
        ]
        bounds = pairwise([0, *breaks, len(phones)])
        return [phones[start:stop] for start, stop in bounds if start < stop]

    def _long_enough(self, phones: Sequence[HeardPhone]) -> bool:
        if len(phones) < _ADDED_PHONES - 1:
            return False
        seconds = (phones[-1].stop - phones[0].start) / self._rate
        return len(phones) >= _ADDED_PHONES or seconds >= _ADDED_S
