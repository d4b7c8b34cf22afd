"""The file of arrays that CTranslate2 writes, whole and damaged."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.whisper.model_bin import ModelBin
from tests.converted import Arrays, model_bin

_CHANCE: Final = np.random.default_rng(0)
_ARRAYS: Final[Arrays] = {
    "heads": np.array(4, np.int16),
    "share": np.array(0.5, np.float32),
    "plain": _CHANCE.standard_normal((3, 4)).astype(np.float32),
    "half": _CHANCE.standard_normal((2, 3, 4)).astype(np.float16),
    "rows": np.array([[127, -127], [1, 0]], np.int8),
    "rows_scale": np.array([10, 0.5], np.float32),
    "whole": np.array([[1024, -512]], np.int16),
    "whole_scale": np.array(512, np.float32),
    "scaleless": np.zeros((2, 2), np.int8),
    "odd": np.zeros((2, 2), np.int8),
    "odd_scale": np.ones(3, np.float32),
    "null": np.zeros((2, 2), np.int8),
    "null_scale": np.zeros(2, np.float32),
    "packed": np.zeros((2, 2), np.int32),
    "packed_scale": np.ones(2, np.float32),
    "empty": np.zeros((0, 2), np.float32),
}
_WHOLE: Final = model_bin(_ARRAYS, {"other": "plain"})


def _read(folder: Path, content: bytes) -> ModelBin:
    path = folder / "model.bin"
    path.write_bytes(content)
    return ModelBin(path)


def test_arrays_are_what_was_written(tmp_path: Path) -> None:
    model = _read(tmp_path, _WHOLE)
    assert model.specification == "WhisperSpec"
    assert model.number("heads") == 4
    assert "plain" in model
    assert "other/weight" not in model
    assert model.shape("half", 3) == (2, 3, 4)
    for name in ("plain", "half"):
        np.testing.assert_array_equal(model.weights(name).numpy(), _ARRAYS[name])
    np.testing.assert_array_equal(model.weights("other").numpy(), _ARRAYS["plain"])
    assert model.weights("empty").shape == (0, 2)


def test_quantised_weights_are_what_they_stand_for(tmp_path: Path) -> None:
    model = _read(tmp_path, _WHOLE)
    rows, whole = model.weights("rows"), model.weights("whole")
    assert rows.dtype == whole.dtype == torch.float32
    assert rows.tolist() == [[pytest.approx(12.7), pytest.approx(-12.7)], [2.0, 0.0]]
    assert whole.tolist() == [[2.0, -1.0]]


def test_bfloat16_is_known_and_so_is_the_version_before(tmp_path: Path) -> None:
    half = _ARRAYS["half"].tobytes()
    as_bfloat16 = _WHOLE.replace(struct.pack("<BI", 4, len(half)), struct.pack("<BI", 5, len(half)))
    model = _read(tmp_path, struct.pack("<I", 5) + as_bfloat16[4:])
    expected = torch.frombuffer(bytearray(half), dtype=torch.bfloat16).reshape(2, 3, 4)
    assert model.weights("half").dtype == torch.bfloat16
    assert torch.equal(model.weights("half"), expected)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "ends too early"),
        (b"PK\x03\x04 an archive of torch.save", "is not a model of CTranslate2 3 or later"),
        (model_bin({}, version=4), "is not a model of CTranslate2 3 or later"),
        (model_bin({}, version=7), "is not a model of CTranslate2 3 or later"),
        (_WHOLE[:-1], "ends too early"),
        (_WHOLE[: len(_WHOLE) // 2], "ends too early"),
        (model_bin({}, {"a": "b"}), "lacks b"),
        (_WHOLE.replace(b"plain", b"\xff\xfe\xff\xfe\xff", 1), "a name in it is no text"),
        (
            _WHOLE.replace(struct.pack("<B2I", 2, 3, 4), struct.pack("<B2I", 2, 3, 5)),
            "not as large as its shape says",
        ),
        (
            _WHOLE.replace(struct.pack("<BI", 4, 48), struct.pack("<BI", 9, 48)),
            "not as large as its shape says",
        ),
        (
            _WHOLE.replace(
                struct.pack("<B2IBI", 2, 3, 4, 0, 48),
                struct.pack("<B2IBI", 2, 2**14, 2**15, 0, 2**31),
            ),
            "ends too early",
        ),
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, content: bytes, cause: str) -> None:
    with pytest.raises(ModelLoadError, match=cause) as told:
        _read(tmp_path, content)
    assert "\n" not in str(told.value)
    assert str(tmp_path / "model.bin") in str(told.value)


def test_arrays_that_do_not_mean_what_is_asked_for_are_told(tmp_path: Path) -> None:
    model = _read(tmp_path, _WHOLE)
    for name in ("scaleless", "odd", "null", "packed", "missing"):
        with pytest.raises(ModelLoadError, match=name):
            model.weights(name)
    for name in ("missing", "share", "plain"):
        with pytest.raises(ModelLoadError, match=name):
            model.number(name)
    for name in ("missing", "half", "empty"):
        with pytest.raises(ModelLoadError, match=name):
            model.shape(name, 2)


def test_a_file_that_has_become_shorter_is_told(tmp_path: Path) -> None:
    model = _read(tmp_path, _WHOLE)
    (tmp_path / "model.bin").write_bytes(_WHOLE[:100])
    with pytest.raises(ModelLoadError, match="ends too early"):
        model.weights("half")


@given(st.integers(0, len(_WHOLE) - 1))
def test_no_truncated_file_is_taken(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    with pytest.raises(ModelLoadError):
        _read(tmp_path_factory.getbasetemp(), _WHOLE[:length])


@given(st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.binary(max_size=8)), max_size=4))
def test_whatever_the_bytes_nothing_else_is_raised(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]]
) -> None:
    content = _WHOLE
    for place, piece in edits:
        content = content[:place] + piece + content[place + len(piece) :]
    try:
        model = _read(tmp_path_factory.getbasetemp(), content)
        for name in _ARRAYS:
            model.weights(name)
    except ModelLoadError:
        pass


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    for start in (b"", struct.pack("<I", 6)):
        try:
            _read(tmp_path_factory.getbasetemp(), start + content)
        except ModelLoadError:
            pass
