"""Checkpoints in CTranslate2's format: made by its own converter, or written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from ctranslate2.converters import TransformersConverter

_TYPES: Final = ("float32", "int8", "int16", "int32", "float16")
Arrays = dict[str, np.ndarray[Any, Any]]


def convert(
    checkpoint: Path,
    folder: Path,
    quantization: str = "float32",
    copied: tuple[str, ...] = ("tokenizer.json",),
) -> Path:
    """Have CTranslate2 convert a checkpoint of transformers, as faster-whisper's are made."""
    converter = TransformersConverter(str(checkpoint), copy_files=list(copied))
    converter.convert(str(folder), quantization=quantization)
    return folder


def model_bin(
    arrays: Arrays,
    aliases: Mapping[str, str] | None = None,
    specification: str = "WhisperSpec",
    version: int = 6,
) -> bytes:
    """What ``model.bin`` holds of such arrays."""
    content = struct.pack("<I", version) + _text(specification) + struct.pack("<I", 3)
    content += struct.pack("<I", len(arrays))
    for name, array in arrays.items():
        content += _text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        content += struct.pack("<BI", _TYPES.index(str(array.dtype)), array.nbytes)
        content += array.tobytes()
    aliases = aliases or {}
    content += struct.pack("<I", len(aliases))
    return content + b"".join(_text(alias) + _text(name) for alias, name in aliases.items())


def _text(text: str) -> bytes:
    content = text.encode() + b"\0"
    return struct.pack("<H", len(content)) + content
