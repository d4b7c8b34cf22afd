"""Dynamic time warping."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_score_server.compiled import compiled
from audio_score_server.domain import FloatArray, IntArray

_ROWS_AT_ONCE: Final = 64
"""So many rows of similarities are held at a time, of the columns that they can meet: memory grows
with one side, not with both, and little is multiplied outside of the band."""
_BAND: Final = 0.25
"""How far, of its whole weight, one side may be ahead of the other: nobody who says the same line
is further ahead than that, and other lines must not be bent until they fit. Of the weight, since
frames of little weight, breath or a hesitation, are no part of the line."""
_ROUNDING: Final = 1e-6


def path_mean(
    rows: FloatArray, columns: FloatArray, row_weights: FloatArray, column_weights: FloatArray
) -> float:
    """Mean similarity along the path that makes it best; the similarity is the dot product.

    The symmetric warp of Sakoe and Chiba (1978, form P = 0) within their band, with a weight for
    every frame: a step counts as much as the frames that it enters. Every path has then the same
    total weight, rows plus columns, and the mean needs no search of its own.

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
    steps = np.zeros((0, 0), np.uint8)
    _warp(best, steps, rows, columns, row_weights, column_weights)
    return float(best[-1]) / float(row_weights.sum() + column_weights.sum())


def warp_path(
    rows: FloatArray, columns: FloatArray, row_weights: FloatArray, column_weights: FloatArray
) -> IntArray:
    """The path that ``path_mean`` averages over, of the same arguments.

    Returns:
        int64 ``[steps, 2]``: pairs of a row and a column, from the first to the last.
    """
    best = np.full(len(columns) + 1, -np.inf, np.float32)
    best[0] = 0.0
    steps = np.zeros((len(rows), len(columns)), np.uint8)
    _warp(best, steps, rows, columns, row_weights, column_weights)
    return _walk_back(steps)


def _warp(
    best: FloatArray,
    steps: IntArray,
    rows: FloatArray,
    columns: FloatArray,
    row_weights: FloatArray,
    column_weights: FloatArray,
) -> None:
    first, last = _reach(row_weights, column_weights)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        offset, end = int(first[start]), int(last[block][-1]) + 1
        similarities = np.ascontiguousarray(rows[block] @ columns[offset:end].T)
        weights = row_weights[block]
        _advance(
            best,
            steps,
            similarities,
            offset,
            weights,
            column_weights,
            start,
            first[block],
            last[block],
        )


def _reach(row_weights: FloatArray, column_weights: FloatArray) -> tuple[IntArray, IntArray]:
    """First and last column that each row can meet, int64 ``[rows]``, both never falling.

    Each frame takes up as much of its side, from 0 to 1, as it weighs. Two can meet that lie no
    further apart than the band; those that overlap always can, so that there is always a path.
    """
    rows, columns = (_bounds(weights) for weights in (row_weights, column_weights))
    first = np.searchsorted(columns[1:], rows[:-1] - _BAND - _ROUNDING, "left")
    last = np.searchsorted(columns[:-1], rows[1:] + _BAND + _ROUNDING, "right") - 1
    return np.minimum(first, len(columns) - 2), last


def _bounds(weights: FloatArray) -> NDArray[np.float64]:
    """Where each frame begins on its side, and last where the last one ends."""
    ends = np.cumsum(weights, dtype=np.float64)
    return np.concatenate([[0.0], ends / ends[-1]])


@compiled(
    "void(float32[::1], uint8[:, ::1], float32[:, ::1], int64, float32[::1], float32[::1],"
    "int64, int64[::1], int64[::1])"
)
def _advance(
    best: FloatArray,
    steps: IntArray,
    similarities: FloatArray,
    offset: int,
    row_weights: FloatArray,
    column_weights: FloatArray,
    start: int,
    firsts: IntArray,
    lasts: IntArray,
) -> None:
    """Lead the best totals, one for each column and one before them, through further rows.

    ``similarities`` begin with column ``offset``. ``steps``, where it has room, is told how each
    pair of frames was reached.
    """
    for row in range(len(similarities)):
        first, last = firsts[row], lasts[row]
        diagonal = best[first]
        best[: first + 1] = -np.inf
        for column in range(first, last + 1):
            similarity = similarities[row, column - offset]
            both = diagonal + (row_weights[row] + column_weights[column]) * similarity
            down = best[column + 1] + row_weights[row] * similarity
            right = best[column] + column_weights[column] * similarity
            diagonal = best[column + 1]
            best[column + 1] = max(both, down, right)
            if len(steps):
                step = 0 if both >= max(down, right) else (1 if down >= right else 2)
                steps[start + row, column] = step
        best[last + 2 :] = -np.inf


@compiled("int64[:, ::1](uint8[:, ::1])")
def _walk_back(steps: IntArray) -> IntArray:
    """The path through the steps noted, from the first pair of frames to the last."""
    row, column = len(steps) - 1, steps.shape[1] - 1
    path = np.empty((row + column + 1, 2), np.int64)
    place = len(path)
    while True:
        place -= 1
        path[place] = row, column
        if row == 0 and column == 0:
            return path[place:].copy()
        step = steps[row, column]
        if step != 2:
            row -= 1
        if step != 1:
            column -= 1
