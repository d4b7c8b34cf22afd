"""Intervals, correlations, calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from audio_score_server.evaluation.calibration import reliability
from audio_score_server.evaluation.estimates import correlate, discriminate
from audio_score_server.evaluation.ranking import Floats


def _normal(count: int, mean: float, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1.0, count)


def test_the_interval_covers_what_the_distributions_promise() -> None:
    scores = np.concatenate([_normal(300, 1.0, 1), _normal(300, 0.0, 2)])
    found = discriminate(scores, np.arange(600) < 300, np.arange(600))
    assert found is not None
    assert (found.right, found.wrong) == (300, 300)
    assert found.auc.low is not None
    assert found.auc.high is not None
    assert found.auc.low < stats.norm.cdf(1 / np.sqrt(2)) < found.auc.high
    assert found.auc.high - found.auc.low < 0.1
    assert found.eer.value == pytest.approx(stats.norm.cdf(-0.5), abs=0.05)
    assert found.d_prime == pytest.approx(1.0, abs=0.2)


def test_trials_of_one_recording_share_its_fate() -> None:
    scores = np.concatenate([_normal(40, 1.0, 1), np.repeat(_normal(40, 0.0, 2), 50)])
    right = np.arange(len(scores)) < 40
    alone = np.arange(len(scores))
    together = np.concatenate([np.arange(40), np.repeat(np.arange(40), 50)])
    widths = []
    for recordings in (alone, together):
        found = discriminate(scores, right, recordings)
        assert found is not None
        assert found.auc.high is not None
        assert found.auc.low is not None
        widths.append(found.auc.high - found.auc.low)
    assert widths[1] > 1.1 * widths[0]


def test_the_same_scores_give_the_same_interval() -> None:
    scores, right = _normal(60, 0.0, 3), np.arange(60) % 2 == 0
    assert discriminate(scores, right, np.arange(60)) == discriminate(scores, right, np.arange(60))


def test_scores_that_are_all_alike_have_no_distance() -> None:
    found = discriminate(np.full(6, 0.3), np.arange(6) < 3, np.arange(6))
    assert found is not None
    assert (found.auc.value, found.eer.value, found.d_prime) == (0.5, 0.5, None)


def test_one_kind_alone_cannot_be_told_from_another() -> None:
    assert discriminate(np.arange(3.0), np.ones(3, bool), np.arange(3)) is None


def test_correlations_are_scipys() -> None:
    left = _normal(80, 0.0, 4)
    right = np.round(left + _normal(80, 0.0, 5))
    found = correlate(left, right)
    assert found is not None
    assert found.count == 80
    assert found.pearson.value == pytest.approx(stats.pearsonr(left, right).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(left, right).statistic)
    for each in (found.pearson, found.spearman):
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.value < each.high


def test_only_pairs_that_are_known_count() -> None:
    left, right = np.array([1.0, 2.0, np.nan, 4.0, 5.0]), np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    found = correlate(left, right)
    assert found is not None
    assert found.count == 3
    assert found.pearson.value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("left", "right"),
    [([1, 2], [1, 2]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3, 4], [0.1] * 4), ([], [])],
)
def test_without_variety_there_is_no_correlation(left: list[float], right: list[float]) -> None:
    assert correlate(np.array(left, dtype=np.float64), np.array(right, dtype=np.float64)) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40))
def test_calibration_errors_are_bounded(trials: list[tuple[float, bool]]) -> None:
    scores, right = np.array([score for score, _ in trials]), np.array([each for _, each in trials])
    found = reliability(scores, right)
    assert (found is None) == (right.all() or not right.any())
    if found is not None:
        assert sum(each.count for each in found.bins) == len(trials)
        assert 0 <= found.brier <= 1 + 1e-9
        # No bin can be further off than its trials are (Jensen).
        assert found.ece**2 <= found.brier + 1e-9


def test_a_truthful_score_is_calibrated_and_a_turned_one_is_not() -> None:
    right = np.array([True, True, False, False, False])
    truthful = reliability(right.astype(np.float64), right)
    assert truthful is not None
    assert (truthful.brier, truthful.ece) == (0, 0)
    turned = reliability((~right).astype(np.float64), right)
    assert turned is not None
    assert turned.brier == pytest.approx(1)
    assert turned.ece == pytest.approx(1)


def test_the_number_of_impostors_does_not_matter() -> None:
    few = reliability(np.array([0.9, 0.2, 0.6]), np.array([True, False, False]))
    many = reliability(np.array([0.9, *[0.2, 0.6] * 50]), np.array([True, *[False] * 100]))
    assert few is not None
    assert many is not None
    assert few.brier == pytest.approx(many.brier)
    assert few.ece == pytest.approx(many.ece)


def test_a_score_beyond_one_is_no_chance() -> None:
    assert reliability(np.array([1.5, 0.2]), np.array([True, False])) is None
