"""Whether a score can be read as a chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from audio_score_server.domain import BoolArray
from audio_score_server.evaluation.ranking import Floats

_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The trials whose scores lie between two tenths.

    Attributes:
        low: the lower.
        count: how many.
        score: their mean score.
        right: their share of right readings.
    """

    low: float
    count: int
    score: float
    right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How a score relates to the share of right readings among those that have it.

    Right and wrong readings weigh the same in all, however many there are of each, so that the
    figures do not depend on the number of impostors. Nothing is fitted.

    Attributes:
        bins: those that are not empty.
        brier: mean square of the distance between score and truth (0 or 1).
        ece: expected calibration error, the mean distance between a bin's score and its share.
    """

    bins: tuple[Bin, ...]
    brier: float
    ece: float


def reliability(scores: Floats, right: BoolArray) -> Reliability | None:
    """Judge a component.

    Args:
        scores: ``[trials]``, finite.
        right: ``[trials]``, whether each is a right reading, else it is a wrong one.

    Returns:
        None where there is nothing right or nothing wrong, or scores are not from 0 to 1.
    """
    rights = int(right.sum())
    if not 0 < rights < len(right) or scores.min() < 0 or scores.max() > 1:
        return None
    weights = np.where(right, 0.5 / rights, 0.5 / (len(right) - rights))
    places = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(places, minlength=_BINS)
    filled = np.flatnonzero(counts)
    totals, score_sums, right_sums = (
        np.bincount(places, weights * values, minlength=_BINS)[filled]
        for values in (1.0, scores, right)
    )
    return Reliability(
        tuple(
            Bin(int(place) / _BINS, int(counts[place]), float(score), float(share))
            for place, score, share in zip(
                filled, score_sums / totals, right_sums / totals, strict=True
            )
        ),
        float(weights @ (scores - right) ** 2),
        float(np.abs(score_sums - right_sums).sum()),
    )
