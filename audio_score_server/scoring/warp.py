"""Dynamic time warping."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio_score_server.compiled import compiled
from audio_score_server.domain import FloatArray

_ROWS_AT_ONCE: Final = 256
"""So many rows of similarities are held at a time: memory grows with one side, not with both."""


def path_mean(
    rows: FloatArray, columns: FloatArray, row_weights: FloatArray, column_weights: FloatArray
) -> float:
    """Mean similarity along the path that makes it best; the similarity is the dot product.

    The symmetric warp of Sakoe and Chiba (1978, form P = 0), with a weight for every frame: a step
    counts as much as the frames that it enters. Every path has then the same total weight, rows
    plus columns, and the mean needs no search of its own.

    Args:
        rows: float32 ``[rows, dimensions]``, at least one row.
        columns: float32 ``[columns, dimensions]``, at least one row.
        row_weights: float32 ``[rows]``, above zero.
        column_weights: float32 ``[columns]``, above zero.

    Returns:
        The weighted mean along the best path from the first pair of frames to the last.
    """
    best = np.full(len(columns) + 1, -np.inf, np.float32)
    best[0] = 0.0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        similarities = np.ascontiguousarray(rows[block] @ columns.T)
        _advance(best, similarities, row_weights[block], column_weights)
    return float(best[-1]) / float(row_weights.sum() + column_weights.sum())


@compiled("void(float32[::1], float32[:, ::1], float32[::1], float32[::1])")
def _advance(
    best: FloatArray, similarities: FloatArray, row_weights: FloatArray, column_weights: FloatArray
) -> None:
    """Lead the best totals, one for each column and one before them, through further rows."""
    rows, columns = similarities.shape
    for row in range(rows):
        diagonal = best[0]
        best[0] = -np.inf
        for column in range(columns):
            similarity = similarities[row, column]
            down = best[column + 1] + row_weights[row] * similarity
            right = best[column] + column_weights[column] * similarity
            both = diagonal + (row_weights[row] + column_weights[column]) * similarity
            diagonal = best[column + 1]
            best[column + 1] = max(down, right, both)
