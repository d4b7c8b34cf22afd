"""Refusing files that claim more than they can hold, before a decoder makes room for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_COUNT_OFFSET: Final = {b"stsz": 12, b"stz2": 12, b"trun": 8}
"""Boxes that state a number of samples, and where, counted from the box's name."""
_LARGEST_COUNT: Final = 8_000_000
"""Uncompressed sound counts every value as a sample: three minutes at 44.1 kHz."""


def claims_too_much(data: bytes) -> bool:
    """Whether a file claims more samples or longer titles than it has bytes.

    FFmpeg makes an index entry for each claimed sample of an MP4, and room for each claimed letter
    of a WAV file's title, before it reads one: a thousand bytes could cost gigabytes.
    """
    if data[:4] in (b"RIFF", b"RF64"):
        return any(size > len(data) for size in _list_sizes(data))
    if data[4:8] == b"ftyp" or b"moov" in data[:64]:
        return sum(_sample_counts(data)) > min(len(data), _LARGEST_COUNT)
    return False


def _list_sizes(data: bytes) -> Iterator[int]:
    """What the title chunks of a WAV file claim, chunk by chunk from the first one on."""
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"LIST":
            yield size
        # Chunks begin at even places.
        place += 8 + size + size % 2


def _sample_counts(data: bytes) -> Iterator[int]:
    for name, offset in _COUNT_OFFSET.items():
        place = data.find(name)
        while place >= 0:
            if _is_box(data, place) and place + offset + 4 <= len(data):
                yield int.from_bytes(data[place + offset : place + offset + 4], "big")
            place = data.find(name, place + 4)


def _is_box(data: bytes, name: int) -> bool:
    """Whether what stands before the name can be a box's size; sound may hold any four letters."""
    if name < 4:
        return False
    size = int.from_bytes(data[name - 4 : name], "big")
    return 12 <= size <= len(data) - name + 4
