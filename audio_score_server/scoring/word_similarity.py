"""How nearly a transcript says a text, by words and by their sounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from audio_score_server.compiled import compiled
from audio_score_server.domain import FloatArray
from audio_score_server.language.normalization import Word

_ALIKE: Final = 0.5
"""Words that share no more of their sounds than this are different words; above, credit rises to
1 for homophones."""


def word_similarity(
    expected: Sequence[Word], heard: Sequence[Word], evidence: FloatArray | None
) -> float:
    """One minus the weighted edit distance over the longer length, from 0 to 1.

    As Levenshtein's, but that a word taken for another costs less the more sounds they share, and
    nothing where all are the same, also where one is written as two; and that an expected word
    which the transcript lacks costs less the likelier the model finds it all the same.

    Args:
        expected: at least one.
        heard: any number.
        evidence: float32 ``[words as written]``, from 0 to 1, by ``Word.origin``; None where the
            model gives none.
    """
    if not heard:
        return 0.0
    confidences = _confidences(expected, evidence)
    credits = np.maximum(_credits(expected, heard), confidences[:, None])
    cost = _least_cost(
        np.ascontiguousarray(1 - credits, np.float32),
        np.asarray(1 - confidences, np.float32),
        _joined(expected, heard),
        np.ascontiguousarray(_joined(heard, expected).T),
    )
    return max(0.0, 1.0 - cost / max(len(expected), len(heard)))


def confidence(evidence: FloatArray) -> FloatArray:
    """How far words are said by their evidence alone, from 0 to 1; arrays of any one shape.

    A decoder that is told the line so far finds likely what usually comes next, whatever it hears:
    only what is above even odds counts.
    """
    return np.asarray(np.maximum(0.0, 2 * evidence - 1), np.float32)


def _confidences(expected: Sequence[Word], evidence: FloatArray | None) -> FloatArray:
    """Of each expected word, ``[expected]``; 0 where nothing is known."""
    origins = np.array([word.origin for word in expected])
    if evidence is None or origins[-1] >= len(evidence):
        return np.zeros(len(expected), np.float32)
    return confidence(evidence[origins])


def _credits(expected: Sequence[Word], heard: Sequence[Word]) -> FloatArray:
    """How far each heard word may pass for each expected one, ``[expected, heard]``."""
    rows, columns = [word.sounds for word in expected], [word.sounds for word in heard]
    alike = cdist(rows, columns, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    return np.asarray(np.maximum(0.0, (alike - _ALIKE) / (1 - _ALIKE)), np.float32)


def _joined(pairs: Sequence[Word], wholes: Sequence[Word]) -> FloatArray:
    """1 where a word and the one before it sound like one of the others, ``[pairs, wholes]``."""
    places = defaultdict(list)
    for place, word in enumerate(wholes):
        places[word.sounds].append(place)
    joined = np.zeros((len(pairs), len(wholes)), np.float32)
    for place, (first, second) in enumerate(pairwise(pairs), start=1):
        joined[place, places.get(first.sounds + second.sounds, [])] = 1
    return joined


@compiled("float64(float32[:, ::1], float32[::1], float32[:, ::1], float32[:, ::1])")
def _least_cost(
    exchanges: FloatArray, misses: FloatArray, joined_rows: FloatArray, joined_columns: FloatArray
) -> float:
    """Cost of the cheapest alignment of all rows with all columns; an added column costs 1."""
    rows, columns = exchanges.shape
    costs = np.zeros((rows + 1, columns + 1))
    costs[0] = np.arange(columns + 1)
    for row in range(1, rows + 1):
        costs[row, 0] = costs[row - 1, 0] + misses[row - 1]
        for column in range(1, columns + 1):
            best = costs[row - 1, column - 1] + exchanges[row - 1, column - 1]
            best = min(best, costs[row - 1, column] + misses[row - 1])
            best = min(best, costs[row, column - 1] + 1)
            if joined_rows[row - 1, column - 1]:
                best = min(best, costs[row - 2, column - 1])
            if joined_columns[row - 1, column - 1]:
                best = min(best, costs[row - 1, column - 2])
            costs[row, column] = best
    return float(costs[rows, columns])
