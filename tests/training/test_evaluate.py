"""The evaluation: its arithmetic, and what it says of the shipped weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.process.server import ROOT
from training.evaluate import auc, equal_error_rate, evaluate, read_manifest

SPEECH = ROOT.parent / "shared" / "speech"


def test_auc_and_error_rate_of_known_distributions() -> None:
    low, high = np.array([0.1, 0.2, 0.3]), np.array([0.7, 0.8, 0.9])
    assert auc(high, low) == 1.0
    assert auc(low, high) == 0.0
    assert auc(low, low) == 0.5
    assert equal_error_rate(high, low) == 0.0
    assert equal_error_rate(np.array([0.2, 0.8]), np.array([0.1, 0.7])) == pytest.approx(0.5)


@pytest.mark.shared
def test_unseen_speakers_right_readings_are_told_from_wrong_ones() -> None:
    if not SPEECH.is_dir():
        pytest.skip("the recordings of ../shared are not here")
    trials, error_rate = evaluate(read_manifest(SPEECH))
    assert (len(trials.right), len(trials.wrong)) == (24, 24 * 23)
    assert auc(trials.right[:, 0], trials.wrong[:, 0]) >= 0.95
    assert auc(trials.right[:, 1], trials.wrong[:, 1]) >= 0.95
    assert error_rate < 0.7
