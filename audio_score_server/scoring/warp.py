"""Dynamic time warping."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio_score_server.compiled import compiled
from audio_score_server.domain import FloatArray

_ROWS_AT_ONCE: Final = 256
"""So many rows of similarities are held at a time: memory grows with one side, not with both."""


def path_mean(rows: FloatArray, columns: FloatArray) -> float:
    """Mean similarity along the path that makes it best; the similarity is the dot product.

    The symmetric warp of Sakoe and Chiba (1978, form P = 0): a diagonal step counts twice, so that
    every path has the same total weight, rows plus columns, and the mean needs no search of its
    own.

    Args:
        rows: float32 ``[rows, dimensions]``, at least one row.
        columns: float32 ``[columns, dimensions]``, at least one row.

    Returns:
        The weighted mean along the best path from the first pair of frames to the last.
    """
    best = np.full(len(columns) + 1, -np.inf, np.float32)
    best[0] = 0.0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        _advance(best, np.ascontiguousarray(rows[start : start + _ROWS_AT_ONCE] @ columns.T))
    return float(best[-1]) / (len(rows) + len(columns))


@compiled("void(float32[::1], float32[:, ::1])")
def _advance(best: FloatArray, similarities: FloatArray) -> None:
    """Lead the best totals, one for each column and one before them, through further rows."""
    rows, columns = similarities.shape
    for row in range(rows):
        diagonal = best[0]
        best[0] = -np.inf
        for column in range(columns):
            similarity = similarities[row, column]
            step = max(best[column + 1], best[column]) + similarity
            both = diagonal + 2 * similarity
            diagonal = best[column + 1]
            best[column + 1] = max(step, both)
