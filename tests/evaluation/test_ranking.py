"""AUC and error rates against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.evaluation.ranking import Curve, Floats, Ranking

Values = list[int]
_FEW = st.lists(st.integers(-20, 20), min_size=1, max_size=30)


def _ranking(right: Values, wrong: Values) -> Ranking:
    scores = np.array([*right, *wrong], dtype=np.float64)
    return Ranking(scores, np.arange(len(scores)) < len(right))


def _curve(right: Values, wrong: Values) -> Curve:
    curve = _ranking(right, wrong).curve()
    assert curve is not None
    return curve


@given(right=_FEW, wrong=_FEW)
def test_auc_is_the_chance_that_a_right_reading_scores_above_a_wrong_one(
    right: Values, wrong: Values
) -> None:
    pairs = [(good > bad) + (good == bad) / 2 for good in right for bad in wrong]
    assert _curve(right, wrong).auc == pytest.approx(np.mean(pairs))


@given(right=_FEW, wrong=_FEW)
def test_error_rates_are_shares_below_and_above_each_level(right: Values, wrong: Values) -> None:
    curve = _curve(right, wrong)
    for place, level in enumerate(sorted({*right, *wrong})):
        assert curve.rejected[place] == pytest.approx(np.mean(np.array(right) < level))
        assert curve.accepted[place] == pytest.approx(np.mean(np.array(wrong) >= level))
    assert curve.rejected[-1] == 1
    assert curve.accepted[-1] == 0


@given(right=_FEW, wrong=_FEW)
def test_only_the_order_matters(right: Values, wrong: Values) -> None:
    plain = _curve(right, wrong)
    bent = _curve([each**3 + 7 for each in right], [each**3 + 7 for each in wrong])
    assert (plain.auc, plain.equal_error) == (bent.auc, bent.equal_error)


@given(right=_FEW, wrong=_FEW)
def test_the_other_way_round_everything_is_turned(right: Values, wrong: Values) -> None:
    curve, turned = _curve(right, wrong), _curve(wrong, right)
    assert turned.auc == pytest.approx(1 - curve.auc)
    assert turned.equal_error[0] == pytest.approx(1 - curve.equal_error[0])


@given(right=_FEW, wrong=_FEW)
def test_the_equal_error_rate_lies_where_the_auc_lets_it(right: Values, wrong: Values) -> None:
    curve = _curve(right, wrong)
    rate, place = curve.equal_error
    assert 0 <= rate <= 1
    # A rising curve through (rate, 1 - rate) has no less and no more below it.
    assert (1 - rate) ** 2 - 1e-9 <= curve.auc <= 1 - rate**2 + 1e-9
    gaps = np.abs(curve.rejected - curve.accepted)
    assert gaps[place] == pytest.approx(gaps.min())
    least, most = sorted((curve.rejected[place], curve.accepted[place]))
    assert least - 1e-9 <= rate <= most + 1e-9


@given(right=_FEW, wrong=_FEW, data=st.data())
def test_a_weight_is_so_many_trials(right: Values, wrong: Values, data: st.DataObject) -> None:
    times = st.integers(1, 3)
    right_times, wrong_times = (
        data.draw(st.lists(times, min_size=len(values), max_size=len(values)))
        for values in (right, wrong)
    )
    weights: Floats = np.array([*right_times, *wrong_times], dtype=np.float64)
    weighed = _ranking(right, wrong).curve(weights)
    repeated = _curve(_repeat(right, right_times), _repeat(wrong, wrong_times))
    assert weighed is not None
    assert weighed.auc == pytest.approx(repeated.auc)
    assert weighed.equal_error[0] == pytest.approx(repeated.equal_error[0])


def _repeat(values: Values, times: Values) -> Values:
    return [value for value, count in zip(values, times, strict=True) for _ in range(count)]


def test_figures_of_known_distributions() -> None:
    apart = _curve([7, 8, 9], [1, 2, 3])
    assert (apart.auc, apart.equal_error[0]) == (1, 0)
    mixed = _curve([2, 8], [1, 7])
    assert mixed.auc == 0.75
    assert mixed.equal_error[0] == pytest.approx(0.5)
    alike = _curve([5, 5], [5])
    assert (alike.auc, alike.equal_error[0]) == (0.5, 0.5)


def test_thresholds_lie_halfway_between_right_and_wrong() -> None:
    ranking = _ranking([7, 8], [1, 3])
    curve = ranking.curve()
    assert curve is not None
    assert ranking.threshold(curve.equal_error[1]) == 5
    assert ranking.threshold(curve.strict) == 5


def test_a_wrong_reading_on_top_leaves_no_strict_threshold() -> None:
    ranking = _ranking([7, 8], [1, 9])
    curve = ranking.curve()
    assert curve is not None
    assert ranking.threshold(curve.strict) is None
    assert curve.rejected[curve.strict] == 1


def test_without_weight_on_either_side_there_is_no_curve() -> None:
    assert _ranking([7], [1]).curve(np.array([0.0, 1.0])) is None
    assert _ranking([7], [1]).curve(np.array([1.0, 0.0])) is None
