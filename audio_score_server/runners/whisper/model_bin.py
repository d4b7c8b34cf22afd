"""CTranslate2's ``model.bin``: named arrays, and further names of some of them.

    version: u32, specification: text, its revision: u32
    arrays: u32, then of each
        name: text, rank: u8, dimensions: u32 each, type: u8, bytes: u32, content
    aliases: u32, then of each
        alias: text, name: text

Numbers are little-endian; a text is its length (u16) and its bytes, of which the last is zero.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import torch

from audio_score_server.errors import ModelLoadError

_VERSIONS: Final = (5, 6)
_TYPES: Final = (
    torch.float32,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.float16,
    torch.bfloat16,
)
"""By the numbers that the file has for them."""


@dataclass(frozen=True, slots=True)
class _Array:
    """Where an array is in the file, and how to read it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    start: int
    size: int


class ModelBin:
    """The arrays of one file.

    Contents are read when they are asked for: a large checkpoint is never in memory twice.

    Attributes:
        specification: the kind of model.
    """

    def __init__(self, path: Path) -> None:
        """Read what there is, without the contents.

        Raises:
            ModelLoadError: it is no such file, or a damaged one.
            OSError: it cannot be read.
        """
        self._path = path
        self._arrays: dict[str, _Array] = {}
        with path.open("rb") as file:
            header = _Header(file, path)
            version = header.number("I")
            if version not in _VERSIONS:
                raise ModelLoadError(
                    f"{path} is not a model of CTranslate2 3 or later; convert the checkpoint anew"
                )
            self.specification = header.text()
            header.number("I")
            for _ in range(header.number("I")):
                name = header.text()
                self._arrays[name] = header.array()
            for _ in range(header.number("I")):
                alias, name = header.text(), header.text()
                self._arrays[alias] = self._array(name)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """An array's dimensions.

        Raises:
            ModelLoadError: it is not there, is empty, or has not ``rank`` of them.
        """
        shape = self._array(name).shape
        if len(shape) != rank or 0 in shape:
            raise self._wrong(f"{name} has the shape {list(shape)}")
        return shape

    def number(self, name: str) -> int:
        """A whole number that is kept as an array without dimensions.

        Raises:
            ModelLoadError: it is not there, or is none.
        """
        content = self._content(name)
        if content.ndim or content.is_floating_point():
            raise self._wrong(f"{name} is not a number")
        return int(content)

    def weights(self, name: str) -> torch.Tensor:
        """An array of floating-point numbers; of quantised ones, what they stand for, in float32.

        Raises:
            ModelLoadError: it is not there, or has no such meaning.
        """
        content = self._content(name)
        if content.is_floating_point():
            return content
        scale = self._content(f"{name}_scale").float().flatten()
        if content.dtype == torch.int32 or len(scale) not in (1, *content.shape[:1]):
            raise self._wrong(f"{name} is quantised in an unknown way")
        if not bool((scale.isfinite() & (scale > 0)).all()):
            raise self._wrong(f"{name}_scale is not positive throughout")
        # One scale for all, or one for each row.
        return content.float() / scale.reshape(-1, *[1] * (content.ndim - 1))

    def _array(self, name: str) -> _Array:
        if name not in self._arrays:
            raise self._wrong(f"it lacks {name}")
        return self._arrays[name]

    def _content(self, name: str) -> torch.Tensor:
        array = self._array(name)
        content = bytearray(array.size)
        with self._path.open("rb") as file:
            file.seek(array.start)
            if file.readinto(content) != array.size:
                raise self._wrong("it ends too early")
        if not content:
            return torch.empty(array.shape, dtype=array.dtype)
        return torch.frombuffer(content, dtype=array.dtype).reshape(array.shape)

    def _wrong(self, why: str) -> ModelLoadError:
        return _damaged(self._path, why)


class _Header:
    """Reads the file from its start, past the contents."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    def number(self, kind: str) -> int:
        size = struct.calcsize(kind)
        return int(struct.unpack(f"<{kind}", self._bytes(size))[0])

    def text(self) -> str:
        content = self._bytes(self.number("H"))
        try:
            return content.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            raise _damaged(self._path, "a name in it is no text") from None

    def array(self) -> _Array:
        shape = tuple(self.number("I") for _ in range(self.number("B")))
        kind, size = self.number("B"), self.number("I")
        if kind >= len(_TYPES) or size != math.prod(shape) * _TYPES[kind].itemsize:
            raise _damaged(self._path, "an array is not as large as its shape says")
        start = self._file.tell()
        # Past the end, too: what must come behind is missing there.
        self._file.seek(size, 1)
        return _Array(shape, _TYPES[kind], start, size)

    def _bytes(self, size: int) -> bytes:
        content = self._file.read(size)
        if len(content) != size:
            raise _damaged(self._path, "it ends too early")
        return content


def _damaged(path: Path, why: str) -> ModelLoadError:
    return ModelLoadError(f"{path} is damaged: {why}; get the checkpoint anew, or name another")
