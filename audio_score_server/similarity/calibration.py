"""Where a similarity lies between any other line and the same performance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from audio_score_server.scoring.grading import graded

_ABOVE: Final = 1.25
"""Standard deviations above the mean impostor at which likeness begins: of other lines about one in
ten is more alike than that, and hardly any by much."""
_SOFTNESS: Final = 0.02
"""Of the way from level to copy: the corner at the level is rounded by so much. Below it scores
still differ, but are next to nothing: how unlike a recording is remains to be seen."""
_FEWEST: Final = 2
SAME_LINE: Final = 0.6
"""Similarity from which on two recordings say the same, whatever their texts say. Of clear voices,
other lines have 0.47 at most, and the same line 0.66 at least; copies have 1."""
_MIDDLE: Final = 0.25
"""Of the way: what a score of one half takes."""


def impostor_level(similarities: Sequence[float]) -> float:
    """How alike a clip and a line that is not its own are at most, as a rule.

    Args:
        similarities: of the clip and each of such lines; with fewer than two the level is 0.
    """
    if len(similarities) < _FEWEST:
        return 0.0
    return min(float(np.mean(similarities) + _ABOVE * np.std(similarities)), 0.9)


def calibrated(similarity: float, level: float) -> float:
    """A similarity on the way from the impostors' level (next to 0) to a perfect copy (1).

    The same line by another clear voice is half of the way and more, which is graded as nearly all;
    a quarter is what weak readings by learners have.
    """
    # In this order what is not a number stays none, here and below.
    share = (min(similarity, 1.0) - level) / (1.0 - level)
    return graded(min(_softened(share) / _softened(1.0), 1.0), _MIDDLE)


def _softened(share: float) -> float:
    """``max(0, share)`` without its corner: the softplus function."""
    return _SOFTNESS * float(np.logaddexp(0.0, share / _SOFTNESS))
