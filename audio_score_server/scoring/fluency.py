"""How fluently a line is spoken, by the times of its phones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from audio_score_server.domain import Alignment
from audio_score_server.scoring.text import evidence_mean

_FEWEST: Final = 4
"""Phones said in both: with fewer there is no rhythm."""
_SMOOTHING: Final = 1.0
"""Frames added to each interval: the ratio of one frame to two means nothing."""


@dataclass(frozen=True, slots=True)
class Fluency:
    """How fluently a line is spoken, measured by the clip; each from 0 to 1.

    Attributes:
        pronunciation: how clearly the expected phones are heard (goodness of pronunciation).
        rhythm: how nearly each phone follows the one before it after the time that it does in the
            clip: one over the factor by which the intervals are off, on (geometric) average.
        speech_rate: time the clip takes for the line over the recording's; at most 1, since
            learners are slow and hesitate, and who is faster is not less fluent.
        overall: their mean. No weight of it was fitted to anybody's judgement.
    """

    pronunciation: float
    rhythm: float
    speech_rate: float
    overall: float


def fluency(reference: Alignment, recording: Alignment) -> Fluency | None:
    """Measure the fluency of a line.

    Args:
        reference: of the expected phones with the clip.
        recording: of the same phones with the recording, at the same frame rate.

    Returns:
        None where fewer than four phones are said in both.
    """
    both = np.flatnonzero(reference.present & recording.present)
    if len(both) < _FEWEST:
        return None
    clip, dub = (np.diff(each.starts[both]) + _SMOOTHING for each in (reference, recording))
    rhythm = math.exp(-float(np.abs(np.log(dub / clip)).mean()))
    speech_rate = min(1.0, _length(reference) / _length(recording))
    pronunciation = evidence_mean(recording.evidence)
    return Fluency(pronunciation, rhythm, speech_rate, (pronunciation + rhythm + speech_rate) / 3)


def _length(alignment: Alignment) -> int:
    """Frames from the first phone said to the end of the last."""
    present = np.flatnonzero(alignment.present)
    return int(alignment.stops[present[-1]] - alignment.starts[present[0]])
