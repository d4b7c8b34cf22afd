"""Which words share a subtitle, and where its lines break: the division that costs least.

A subtitle costs

- something for being one, so that few full ones are preferred to many short ones;
- what the break behind it costs (``line_breaks``), and half of what the one between its lines does;
- what is missing of the time that it takes to read, if the next one's words come too soon;
- what its silences cost, as its last words would be read long before they are said;
- more if it is short and not a sentence, as a word left alone is; and for unequal lines.

The sum over a run of words is made least by dynamic programming. A subtitle holds two lines, so for
each word only the few dozen before it have to be looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf
from typing import Final

from audio_score_server.transcription.cue_text import LINE_COLUMNS
from audio_score_server.transcription.line_breaks import SENTENCE

LONGEST_S: Final = 7.0
"""Longest time on the screen: after that, people begin to read anew."""
SHORTEST_S: Final = 5 / 6
"""Shortest time on the screen: below it, a subtitle is a flash."""
GAP_S: Final = 2 / 24
"""Two frames of film, without which the eye does not notice that the text has changed."""
COLUMNS_A_SECOND: Final = 20.0
"""Reading speed of grown-ups, by Netflix's guide."""

_LINE_SPACE: Final = 2.0
"""More columns than a space has, which is not shown where a line breaks."""
_MOST_WORDS: Final = 100
"""In one subtitle: more than two lines hold, unless words are of no width."""
_CUE_COST: Final = 3.0
"""Two subtitles are worth it where a break costs less than within a phrase, by as much."""
_FULLNESS_COST: Final = 2.0
"""Of a full subtitle, by the square: makes subtitles equally full, all else being equal."""
_HURRY_COST: Final = 8.0
"""Of a second that is missing to read it: twice as bad, in half a second, as a subtitle more."""
_FLASH_COST: Final = 12.0
"""Of a second that is missing to ``SHORTEST_S``, above the former."""
_SILENCE_COST: Final = 5.0
"""Of a second of silence within a subtitle: after one second, a new one is better."""
_SILENCE_S: Final = 0.4
"""Silences as short as this cost nothing."""
_SHORT_COLUMNS: Final = 14.0
"""Less is a word left alone, unless it is a sentence."""
_SHORT_COST: Final = 12.0
"""Of a subtitle without width, falling to 0 at ``_SHORT_COLUMNS``."""
_LINE_SHARE: Final = 0.5
"""A break between lines is half as bad as one between subtitles: the eye sees both sides."""
_BALANCE_COST: Final = 5.0
"""Of lines that differ by a whole line, by the square: leaves no short word alone in a line."""
_UPPER_LONGER_COST: Final = 0.2
"""Less hides the picture if the upper line is the shorter one."""


@dataclass(frozen=True, slots=True)
class RunWord:
    """A word among those that are divided.

    Attributes:
        columns: its width, no more than a line.
        space: columns of the space before it; 0 without one.
        break_cost: of a break before it; 0 for the first.
        start: in seconds.
        end: in seconds.
    """

    columns: float
    space: float
    break_cost: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class CueSpan:
    """The words of one subtitle: places in the run.

    Attributes:
        first: its first word.
        lower: the first word of its lower line; ``stop`` if it has only one line.
        stop: the first word that it does not hold.
    """

    first: int
    lower: int
    stop: int


def partition(words: Sequence[RunWord], until: float) -> list[CueSpan]:
    """The best division of a run into subtitles.

    Args:
        words: at least one.
        until: when the words begin that follow the run; infinite if none do.
    """
    costs = _CueCosts(words, until)
    totals, spans = [0.0], list[CueSpan]()
    for stop in range(1, len(words) + 1):
        total, span = inf, CueSpan(stop - 1, stop, stop)
        least = _CUE_COST + costs.break_before(stop)
        for first in range(costs.farthest(stop), stop):
            if totals[first] + least >= total:
                continue
            cost = totals[first] + costs.but_for_lines(first, stop)
            if cost < total:
                lower, extra = costs.lines(first, stop)
                if cost + extra < total:
                    total, span = cost + extra, CueSpan(first, lower, stop)
        totals.append(total)
        spans.append(span)
    chosen = [spans[-1]]
    while chosen[-1].first:
        chosen.append(spans[chosen[-1].first - 1])
    return chosen[::-1]


class _CueCosts:
    """What subtitles of a run cost; each is told by its first word and the one behind its last."""

    def __init__(self, words: Sequence[RunWord], until: float) -> None:
        self._rights = list(accumulate(word.space + word.columns for word in words))
        self._lefts = [
            right - word.columns for word, right in zip(words, self._rights, strict=True)
        ]
        self._starts = [word.start for word in words] + [until]
        self._ends = [word.end for word in words]
        self._breaks = [word.break_cost for word in words] + [0.0]
        silences = (
            max(0.0, word.start - before.end - _SILENCE_S) for before, word in pairwise(words)
        )
        self._silences = list(accumulate(silences, initial=0.0))

    def farthest(self, stop: int) -> int:
        """The first word from which on all might fit two lines and the longest time."""
        least = max(0, stop - _MOST_WORDS)
        left = self._rights[stop - 1] - 2 * LINE_COLUMNS - _LINE_SPACE
        wide = bisect_left(self._lefts, left, least, stop)
        long = bisect_left(self._starts, self._ends[stop - 1] - LONGEST_S, least, stop)
        return min(max(wide, long), stop - 1)

    def break_before(self, word: int) -> float:
        """What the break before a word costs, or behind the last one."""
        return self._breaks[word]

    def but_for_lines(self, first: int, stop: int) -> float:
        """All costs but those of the lines."""
        columns = self._rights[stop - 1] - self._lefts[first]
        time = min(LONGEST_S, self._starts[stop] - GAP_S - self._starts[first])
        fullness = columns / (2 * LINE_COLUMNS)
        silences = self._silences[stop - 1] - self._silences[first]
        cost = _CUE_COST + self._breaks[stop] + _SILENCE_COST * silences
        cost += _FULLNESS_COST * fullness * fullness
        if time < columns / COLUMNS_A_SECOND:
            cost += _HURRY_COST * (columns / COLUMNS_A_SECOND - time)
        if time < SHORTEST_S:
            cost += _FLASH_COST * (SHORTEST_S - time)
        sentence = max(self._breaks[first], self._breaks[stop]) <= SENTENCE
        if columns < _SHORT_COLUMNS and not sentence:
            cost += _SHORT_COST * (1 - columns / _SHORT_COLUMNS)
        return cost

    def lines(self, first: int, stop: int) -> tuple[int, float]:
        """The best first word of the lower line, and what the lines cost; infinite if none fits."""
        left, right = self._lefts[first], self._rights[stop - 1]
        if right - left <= LINE_COLUMNS:
            return stop, 0.0
        begin = bisect_left(self._lefts, right - LINE_COLUMNS, first + 1, stop)
        end = bisect_right(self._rights, left + LINE_COLUMNS, first, stop) + 1
        best, least = stop, inf
        for lower in range(begin, min(end, stop)):
            longer = (self._rights[lower - 1] - left) - (right - self._lefts[lower])
            unequal = longer / LINE_COLUMNS
            cost = _LINE_SHARE * self._breaks[lower] + _BALANCE_COST * unequal * unequal
            cost += _UPPER_LONGER_COST * (longer > 0)
            if cost < least:
                best, least = lower, cost
        return best, least
