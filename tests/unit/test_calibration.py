from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.similarity.calibration import calibrated, impostor_level

_SIMILARITIES = st.floats(-1, 1)
_LEVELS = st.floats(0, 0.9)


@given(_SIMILARITIES, _SIMILARITIES, _LEVELS)
def test_more_alike_never_scores_less(one: float, other: float, level: float) -> None:
    low, high = sorted((one, other))
    assert 0.0 <= calibrated(low, level) <= calibrated(high, level) <= 1.0


@given(_LEVELS)
def test_the_level_is_next_to_nothing_and_a_copy_is_one(level: float) -> None:
    assert calibrated(level, level) < 0.15
    assert calibrated(level - 0.2, level) < 0.01
    assert calibrated(1.0, level) == 1.0
    assert calibrated(1.0 + 1e-6, level) == 1.0


def test_a_quarter_of_the_way_is_half() -> None:
    assert calibrated(0.4, 0.2) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("few", [[], [0.7]])
def test_too_few_impostors_tell_no_level(few: list[float]) -> None:
    assert impostor_level(few) == 0.0


def test_the_level_is_above_most_impostors_and_below_some() -> None:
    others = np.random.default_rng(1).normal(0.2, 0.05, 1_000)
    level = impostor_level(others.tolist())
    assert 0.01 < (others > level).mean() < 0.2


def test_the_level_moves_with_the_impostors() -> None:
    others = [0.1, 0.15, 0.3]
    moved = impostor_level([each + 0.2 for each in others])
    assert moved == pytest.approx(impostor_level(others) + 0.2)


def test_impostors_that_are_copies_leave_room_above_them() -> None:
    assert impostor_level([1.0] * 16) == 0.9
    assert calibrated(1.0, impostor_level([1.0] * 16)) == 1.0
