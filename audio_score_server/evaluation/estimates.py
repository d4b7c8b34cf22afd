"""Numbers with the range in which they would lie for other recordings of the same kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from audio_score_server.domain import BoolArray, IntArray
from audio_score_server.evaluation.ranking import Floats, Ranking

_RESAMPLES: Final = 1000
_SEED: Final = 0
_TAILS: Final = (2.5, 97.5)
_FEWEST_PAIRS: Final = 3
_ALIKE: Final = 1e-12
"""Standard deviations below this are rounding."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval, from a bootstrap.

    Attributes:
        value: the figure.
        low: below it in 2.5 % of the resamples; None where there were too few to tell.
        high: above it in 2.5 % of them.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Discrimination:
    """How well one component tells right readings from wrong ones.

    Attributes:
        right: number of right readings.
        wrong: number of wrong ones.
        auc: the chance that a right reading scores above a wrong one.
        eer: the rate at which right and wrong readings are mistaken equally often.
        d_prime: how many standard deviations the means are apart; None where nothing varies.
        eer_threshold: the score where that is so.
        strict_threshold: the lowest score which at most 1 % of the wrong readings reach; None
            where more than that share the highest score.
        strict_share: share of the right readings that reach it.
    """

    right: int
    wrong: int
    auc: Estimate
    eer: Estimate
    d_prime: float | None
    eer_threshold: float | None
    strict_threshold: float | None
    strict_share: float


@dataclass(frozen=True, slots=True)
class Correlation:
    """How one component goes with one measure.

    Attributes:
        count: recordings that have both.
        pearson: correlation of the values.
        spearman: correlation of their ranks.
    """

    count: int
    pearson: Estimate
    spearman: Estimate


def discriminate(scores: Floats, right: BoolArray, recordings: IntArray) -> Discrimination | None:
    """Judge a component.

    Args:
        scores: ``[trials]``, finite.
        right: ``[trials]``, whether each is a right reading, else it is a wrong one.
        recordings: ``[trials]``, the number of each one's recording. Recordings are resampled with
            all their trials: the trials of one recording share its fate.

    Returns:
        None where there is nothing right or nothing wrong.
    """
    ranking = Ranking(scores, right)
    curve = ranking.curve()
    if curve is None:
        return None
    _, members = np.unique(recordings, return_inverse=True)
    curves = [ranking.curve(weights) for weights in _resampled_weights(members)]
    aucs = [each.auc for each in curves if each]
    eers = [each.equal_error[0] for each in curves if each]
    rate, place = curve.equal_error
    return Discrimination(
        int(right.sum()),
        int((~right).sum()),
        _estimate(curve.auc, aucs),
        _estimate(rate, eers),
        _d_prime(scores[right], scores[~right]),
        ranking.threshold(place),
        ranking.threshold(curve.strict),
        float(1 - curve.rejected[curve.strict]),
    )


def correlate(scores: Floats, measures: Floats) -> Correlation | None:
    """Compare a component with a measure.

    Args:
        scores: ``[recordings]``; NaN where there is none.
        measures: likewise.

    Returns:
        None where fewer than three recordings have both, or either is the same for all of them.
    """
    known = np.isfinite(scores) & np.isfinite(measures)
    left, right = scores[known], measures[known]
    if len(left) < _FEWEST_PAIRS or min(left.std(), right.std()) < _ALIKE:
        return None
    picks = np.random.default_rng(_SEED).integers(len(left), size=(_RESAMPLES, len(left)))
    return Correlation(
        len(left),
        _estimate(*_both(_pearson, left, right, picks)),
        _estimate(*_both(_spearman, left, right, picks)),
    )


def _both(
    coefficient: Callable[[Floats, Floats], Floats], left: Floats, right: Floats, picks: IntArray
) -> tuple[float, Floats]:
    """A coefficient of the whole and of each resample ``[resamples, recordings]``."""
    with warnings.catch_warnings():
        # A resample in which everything is the same has no correlation: it is left out.
        warnings.simplefilter("ignore")
        resampled = coefficient(left[picks], right[picks])
    return float(coefficient(left, right)), resampled


def _pearson(left: Floats, right: Floats) -> Floats:
    return np.asarray(stats.pearsonr(left, right, axis=-1).statistic)


def _spearman(left: Floats, right: Floats) -> Floats:
    return _pearson(stats.rankdata(left, axis=-1), stats.rankdata(right, axis=-1))


def _resampled_weights(members: IntArray) -> Iterable[Floats]:
    """How often each trial counts when as many recordings are drawn as there are."""
    count = int(members.max()) + 1
    chance = np.random.default_rng(_SEED)
    for _ in range(_RESAMPLES):
        drawn = np.bincount(chance.integers(count, size=count), minlength=count)
        yield drawn[members].astype(np.float64)


def _estimate(value: float, resampled: Iterable[float]) -> Estimate:
    known = np.array([each for each in resampled if np.isfinite(each)])
    if not len(known):
        return Estimate(value, None, None)
    low, high = np.percentile(known, _TAILS)
    return Estimate(value, float(low), float(high))


def _d_prime(right: Floats, wrong: Floats) -> float | None:
    spread = float(np.sqrt((right.var() + wrong.var()) / 2))
    return float(right.mean() - wrong.mean()) / spread if spread > _ALIKE else None
