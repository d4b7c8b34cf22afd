from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import FloatArray
from audio_score_server.similarity.warp import path_mean, warp_path


def _path_mean(similarities: FloatArray) -> float:
    """Of frames that have just these similarities."""
    rows, columns = similarities.shape
    return path_mean(similarities, np.eye(columns, dtype=np.float32), _ones(rows), _ones(columns))


def _ones(count: int) -> FloatArray:
    return np.ones(count, np.float32)


def _slow_path_mean(similarities: FloatArray) -> float:
    """By the book: cumulated from every cell's three predecessors."""
    rows, columns = similarities.shape
    cumulated = np.full((rows + 1, columns + 1), -math.inf)
    cumulated[0, 0] = 0.0
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            if not _within_band(row - 1, column - 1, rows, columns):
                continue
            similarity = float(similarities[row - 1, column - 1])
            cumulated[row, column] = max(
                cumulated[row - 1, column] + similarity,
                cumulated[row, column - 1] + similarity,
                cumulated[row - 1, column - 1] + 2 * similarity,
            )
    return float(cumulated[rows, columns] / (rows + columns))


def _within_band(row: int, column: int, rows: int, columns: int) -> bool:
    apart = abs((row + 0.5) / rows - (column + 0.5) / columns)
    return apart <= 0.25 + 0.5 / rows + 0.5 / columns + 1e-9


def _every_path_mean(similarities: FloatArray, row: int, column: int) -> float:
    """Cumulated over every path to a cell, one by one."""
    if not _within_band(row, column, *similarities.shape):
        return -math.inf
    similarity = float(similarities[row, column])
    if (row, column) == (0, 0):
        return 2 * similarity
    sums = []
    if row:
        sums.append(_every_path_mean(similarities, row - 1, column) + similarity)
    if column:
        sums.append(_every_path_mean(similarities, row, column - 1) + similarity)
    if row and column:
        sums.append(_every_path_mean(similarities, row - 1, column - 1) + 2 * similarity)
    return max(sums)


def _random(seed: int, rows: int, columns: int) -> FloatArray:
    values = np.random.default_rng(seed).uniform(-1, 1, (rows, columns))
    return np.ascontiguousarray(values, np.float32)


_SEEDS = st.integers(0, 2**32 - 1)
_SIDES = st.integers(1, 12)


@given(_SEEDS, _SIDES, _SIDES)
def test_the_compiled_warp_agrees_with_the_slow_one(seed: int, rows: int, columns: int) -> None:
    similarities = _random(seed, rows, columns)
    assert _path_mean(similarities) == pytest.approx(_slow_path_mean(similarities), abs=1e-5)


@given(_SEEDS, st.integers(1, 4), st.integers(1, 4))
def test_no_path_is_better(seed: int, rows: int, columns: int) -> None:
    similarities = _random(seed, rows, columns)
    best = _every_path_mean(similarities, rows - 1, columns - 1) / (rows + columns)
    assert _path_mean(similarities) == pytest.approx(best, abs=1e-5)


@given(_SEEDS, _SIDES, _SIDES)
def test_the_path_is_one_that_has_the_mean(seed: int, rows: int, columns: int) -> None:
    similarities = _random(seed, rows, columns)
    eye = np.eye(columns, dtype=np.float32)
    path = warp_path(similarities, eye, _ones(rows), _ones(columns))
    steps = np.diff(path, axis=0)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [rows - 1, columns - 1]
    assert set(map(tuple, steps.tolist())) <= {(0, 1), (1, 0), (1, 1)}
    weights = np.concatenate([[2], steps.sum(axis=1)])
    mean = (weights * similarities[path[:, 0], path[:, 1]]).sum() / (rows + columns)
    assert mean == pytest.approx(_path_mean(similarities), abs=1e-5)


@given(_SEEDS, _SIDES, _SIDES)
def test_both_sides_are_treated_alike(seed: int, rows: int, columns: int) -> None:
    similarities = _random(seed, rows, columns)
    turned = np.ascontiguousarray(similarities.T)
    assert _path_mean(turned) == pytest.approx(_path_mean(similarities), abs=1e-5)


@given(_SEEDS, _SIDES, _SIDES)
def test_the_mean_lies_between_the_extremes(seed: int, rows: int, columns: int) -> None:
    similarities = _random(seed, rows, columns)
    assert similarities.min() - 1e-5 <= _path_mean(similarities) <= similarities.max() + 1e-5


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (7, 1), (5, 9), (500, 300)])
def test_a_constant_is_its_own_mean(rows: int, columns: int) -> None:
    constant = np.full((rows, columns), 0.25, np.float32)
    assert _path_mean(constant) == pytest.approx(0.25, abs=1e-5)


def test_the_similarity_is_the_dot_product() -> None:
    rows, columns = _random(0, 7, 5), _random(1, 9, 5)
    expected = _slow_path_mean(np.ascontiguousarray(rows @ columns.T))
    found = path_mean(rows, columns, _ones(7), _ones(9))
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("rows", [255, 256, 257, 600])
def test_long_recordings_are_warped_as_a_whole(rows: int) -> None:
    similarities = _random(0, rows, 20)
    assert _path_mean(similarities) == pytest.approx(_slow_path_mean(similarities), abs=1e-4)


def test_the_diagonal_is_followed() -> None:
    similarities = 2 * np.eye(9, dtype=np.float32) - 1
    assert _path_mean(similarities) == pytest.approx(1.0, abs=1e-6)


@given(_SEEDS, st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_only_the_ratio_of_weights_counts(seed: int, counts: list[int]) -> None:
    chance = np.random.default_rng(seed)
    rows, columns = (chance.uniform(-1, 1, (n, 3)).astype(np.float32) for n in (len(counts), 5))
    same = path_mean(rows, columns, _ones(len(rows)), _ones(5))
    assert path_mean(rows, columns, 3 * _ones(len(rows)), 3 * _ones(5)) == pytest.approx(
        same, abs=1e-5
    )


def test_frames_of_little_weight_matter_little() -> None:
    similarities = 2 * np.eye(9, dtype=np.float32) - 1
    similarities[4] = -1
    weights = _ones(9)
    weights[4] = 1e-6
    eye = np.eye(9, dtype=np.float32)
    found = path_mean(similarities, eye, weights, weights)
    assert found == pytest.approx(1.0, abs=1e-5)
    assert path_mean(similarities, eye, _ones(9), _ones(9)) < 0.9


def test_frames_of_little_weight_take_up_no_room_in_the_band() -> None:
    line = np.eye(8, dtype=np.float32)
    breath = np.zeros((24, 8), np.float32)
    columns = np.concatenate([breath, line])
    weights = np.concatenate([np.full(24, 0.01, np.float32), _ones(8)])
    assert path_mean(line, columns, _ones(8), weights) > 0.9
    assert path_mean(line, columns, _ones(8), _ones(32)) < 0.3


@given(_SEEDS, _SIDES, _SIDES)
def test_there_is_a_path_whatever_the_weights(seed: int, rows: int, columns: int) -> None:
    chance = np.random.default_rng(seed)
    row_weights, column_weights = (
        np.exp(chance.uniform(-7, 0, count)).astype(np.float32) for count in (rows, columns)
    )
    similarities = _random(seed, rows, columns)
    eye = np.eye(columns, dtype=np.float32)
    mean = path_mean(similarities, eye, row_weights, column_weights)
    assert similarities.min() - 1e-5 <= mean <= similarities.max() + 1e-5
    turned = np.ascontiguousarray(similarities.T)
    other_way = path_mean(turned, np.eye(rows, dtype=np.float32), column_weights, row_weights)
    assert other_way == pytest.approx(mean, abs=1e-5)
