from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.references.progress import Progress


def test_lines_come_every_two_seconds_and_after_the_last() -> None:
    progress = Progress("phones", 6, 100.0)
    lines = [progress.done(True, 100.0 + second) for second in (0.5, 1.9, 2.0, 3.0, 4.5, 4.6)]
    assert lines == [
        None,
        None,
        "phones: 3 of 6 clips encoded, 1.5 a second, 2 s left.",
        None,
        "phones: 5 of 6 clips encoded, 1.1 a second, 1 s left.",
        "phones: 6 of 6 clips encoded, 1.3 a second.",
    ]


def test_what_other_workers_encoded_is_told_apart() -> None:
    progress = Progress("phones", 2, 0.0)
    assert progress.done(False, 1.0) is None
    assert progress.done(True, 2.0) == (
        "phones: 2 of 2 clips encoded, 1.0 a second, 1 by other workers."
    )


@pytest.mark.parametrize(
    ("remaining", "left"),
    [
        (59, "59 s"),
        (60, "1 min 0 s"),
        (99, "1 min 39 s"),
        (3_600, "1 h 0 min"),
        (7_379, "2 h 2 min"),
    ],
)
def test_long_times_are_told_in_larger_units(remaining: int, left: str) -> None:
    progress = Progress("phones", 2 + remaining, 0.0)
    progress.done(True, 1.0)
    line = progress.done(True, 2.0)
    assert line == f"phones: 2 of {2 + remaining} clips encoded, 1.0 a second, {left} left."


@given(st.integers(1, 30), st.lists(st.floats(0, 3), min_size=30, max_size=30))
def test_the_last_clip_always_gives_a_line_without_a_remainder(
    total: int, steps: list[float]
) -> None:
    progress, now = Progress("x", total, 0.0), 0.0
    line = None
    for step in steps[:total]:
        now += step
        line = progress.done(True, now)
    assert line is not None
    assert f"{total} of {total}" in line
    assert "left" not in line
