from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.scoring.grading import graded

_SHARES = st.floats(0, 1)
_MIDDLES = st.floats(0.05, 0.9)


@given(_SHARES, _SHARES, _MIDDLES)
def test_more_is_never_worth_less(one: float, other: float, middle: float) -> None:
    low, high = sorted((one, other))
    assert 0.0 <= graded(low, middle) <= graded(high, middle) <= 1.0 + 1e-12


@given(_MIDDLES)
def test_nothing_is_nothing_and_all_is_all(middle: float) -> None:
    assert graded(0.0, middle) == 0.0
    assert graded(1.0, middle) == pytest.approx(1.0)


def test_both_ends_are_drawn_apart() -> None:
    assert graded(0.25, 0.25) == pytest.approx(0.5, abs=0.01)
    assert graded(0.1, 0.25) < 0.1
    assert graded(0.5, 0.25) > 0.85
