"""Dynamic time warping."""

from __future__ import annotations

import numpy as np

from audio_score_server.compiled import compiled
from audio_score_server.domain import FloatArray


@compiled("float32(float32[:, ::1])")
def path_mean(similarities: FloatArray) -> float:
    """Mean similarity along the path that makes it best.

    The symmetric warp of Sakoe and Chiba (1978, form P = 0): a diagonal step counts twice, so that
    every path has the same total weight, rows plus columns, and the mean needs no search of its
    own.

    Args:
        similarities: float32 ``[rows, columns]``, C-contiguous, neither side empty.

    Returns:
        The weighted mean along the best path from the first pair of frames to the last.
    """
    rows, columns = similarities.shape
    best = np.full(columns + 1, -np.inf, np.float32)
    best[0] = 0.0
    for row in range(rows):
        diagonal = best[0]
        best[0] = -np.inf
        for column in range(columns):
            similarity = similarities[row, column]
            step = max(best[column + 1], best[column]) + similarity
            both = diagonal + 2 * similarity
            diagonal = best[column + 1]
            best[column + 1] = max(step, both)
    mean: float = best[columns] / (rows + columns)
    return mean
