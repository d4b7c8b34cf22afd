"""How well a score parts right readings from wrong ones, at every threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import BoolArray, IntArray

Floats = NDArray[np.float64]
FALSE_ACCEPTANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Curve:
    """Error rates at each threshold; arrays ``[levels + 1]``.

    A threshold lies below each level of the score, the last one above all of them. What reaches the
    threshold is accepted.

    Attributes:
        rejected: share of the right readings below the threshold, rising from 0 to 1.
        accepted: share of the wrong readings not below it, falling from 1 to 0.
    """

    rejected: Floats
    accepted: Floats

    @property
    def auc(self) -> float:
        """The chance that a right reading scores above a wrong one; a tie counts half."""
        below = 1 - (self.accepted[:-1] + self.accepted[1:]) / 2
        return float(np.diff(self.rejected) @ below)

    @property
    def equal_error(self) -> tuple[float, int]:
        """The rate where both errors are equally frequent, and the threshold nearest to it.

        Between two thresholds, the rates are on a line.
        """
        gap = self.rejected - self.accepted  # rises from -1 to 1
        after = int(np.argmax(gap >= 0))
        share = gap[after - 1] / (gap[after - 1] - gap[after])
        rate = self.rejected[after - 1] + share * (self.rejected[after] - self.rejected[after - 1])
        return float(rate), after if gap[after] < -gap[after - 1] else after - 1

    @property
    def strict(self) -> int:
        """The lowest threshold at which few enough wrong readings are accepted."""
        return int(np.argmax(self.accepted <= FALSE_ACCEPTANCE))


class Ranking:
    """Trials in the order of their scores, to be weighed again and again."""

    def __init__(self, scores: Floats, right: BoolArray) -> None:
        """Sort.

        Args:
            scores: ``[trials]``, finite.
            right: ``[trials]``, whether each is a right reading, else it is a wrong one.
        """
        self.levels, places = np.unique(scores, return_inverse=True)
        self._right, self._wrong = right, ~right
        self._right_places, self._wrong_places = places[self._right], places[self._wrong]

    def curve(self, weights: Floats | None = None) -> Curve | None:
        """Error rates.

        Args:
            weights: ``[trials]``, how often each counts; once each without.

        Returns:
            None where nothing right or nothing wrong has a weight.
        """
        rights = self._sums(self._right_places, None if weights is None else weights[self._right])
        wrongs = self._sums(self._wrong_places, None if weights is None else weights[self._wrong])
        if not rights[-1] or not wrongs[-1]:
            return None
        return Curve(rights / rights[-1], 1 - wrongs / wrongs[-1])

    def threshold(self, place: int) -> float | None:
        """A score at which to accept: halfway between two levels; None for above all of them."""
        if place == len(self.levels):
            return None
        return float(self.levels[max(place - 1, 0) : place + 1].mean())

    def _sums(self, places: IntArray, weights: Floats | None) -> Floats:
        counts = np.bincount(places, weights, minlength=len(self.levels))
        return np.concatenate([[0.0], np.cumsum(counts)])
