"""Scores change only with their version."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_score_server.scoring.version import SCORE_VERSION
from tests.process.golden_scores import demo_scores, known
from tests.process.scorer import demo_scorer

_TOLERANCE = 2e-3
"""Processors round differently, and the path through two sounds may turn on it."""


def test_the_demos_scores_are_those_of_their_version(tmp_path: Path) -> None:
    golden = known()
    assert golden["score_version"] == SCORE_VERSION, (
        "scores have another version: python -m tests.process.golden_scores"
    )
    with demo_scorer(tmp_path) as scorer:
        scores = demo_scores(scorer)
    assert set(scores) == set(golden["scores"])
    for name, (audio, text) in golden["scores"].items():
        assert scores[name] == pytest.approx((audio, text), abs=_TOLERANCE), name
