"""Damage to files, for ``bench.fuzz``: pure functions of bytes and chance."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

Mutation = Callable[[bytearray, Random, Sequence[bytes]], bytearray]
"""Damages a file; the last argument is the other files, for what is spliced and joined."""
_HEADER: Final = 400
"""Bytes in which most formats say what they hold."""
_MOST_FLIPS: Final = 40
_MOST_DAMAGES: Final = 4
_LARGEST_CHUNK: Final = 4_096
_UNTOUCHED: Final = 0.02
_NOISE: Final = 0.02
_RESEALED: Final = 0.7
_LIES: Final = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
_WIDTHS: Final = (1, 2, 4, 4, 8)
_TAGS: Final = (
    *(b"fmt ", b"data", b"fact", b"ds64", b"LIST", b"COMM", b"SSND", b"desc", b"pakt", b"kuki"),
    *(b"moov", b"trak", b"mdhd", b"hdlr", b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"elst"),
    *(b"moof", b"tfhd", b"trun", b"mp4a", b"esds", b"samr", b"alac", b"ID3", b"Xing", b"Info"),
    *(b"OggS", b"OpusHead", b"OpusTags", b"vorbis", b"fLaC", b"FLV", b"strh", b"strf", b"idx1"),
    *(b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b", b"\xa3", b"\xff\xfb", b"\xff\xf1", b"\x47"),
)
"""What chunks, boxes, pages, clusters and frames begin with: lies go beside them."""
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def damaged(chance: Random, files: Sequence[bytes]) -> bytes:
    """One of the files, damaged in one to four ways; now and then whole, or mere noise."""
    whole = chance.choice(files)
    lot = chance.random()
    if lot < _UNTOUCHED:
        return whole
    if lot < _UNTOUCHED + _NOISE:
        return whole[: chance.randrange(16)] + chance.randbytes(chance.randrange(5_000))
    data = bytearray(whole)
    for _ in range(chance.randint(1, _MOST_DAMAGES)):
        data = chance.choice(MUTATIONS)(data, chance, files)
    if data.startswith(b"OggS") and chance.random() < _RESEALED:
        _reseal(data)
    return bytes(data)


def truncated(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """Cut at the end, or seldom at the beginning."""
    place = _place(data, chance)
    return data[:place] if chance.random() < 0.8 else data[place:]


def flipped(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """Some bits turned."""
    for _ in range(chance.randint(1, _MOST_FLIPS) if data else 0):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)
    return data


def lied(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """A number where a header may have one: extreme, of any width, in either order."""
    place = _beside_a_tag(data, chance) if chance.random() < 0.6 else _place(data, chance)
    width = chance.choice(_WIDTHS)
    number = chance.choice(_LIES) if chance.random() < 0.7 else chance.getrandbits(64)
    order = "little" if chance.random() < 0.5 else "big"
    data[place : place + width] = (number % 256**width).to_bytes(width, order)
    return data


def deleted(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """A piece less."""
    start, end = _chunk(data, chance)
    del data[start:end]
    return data


def duplicated(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """A piece there a second time, behind itself or elsewhere."""
    start, end = _chunk(data, chance)
    place = end if chance.random() < 0.5 else _place(data, chance)
    data[place:place] = data[start:end] * chance.choice((1, 1, 2, 5))
    return data


def swapped(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """Two neighbouring pieces in the other order."""
    start, end = _chunk(data, chance)
    middle = chance.randint(start, end)
    data[start:end] = data[middle:end] + data[start:middle]
    return data


def overwritten(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """Zeros, ones or noise over a piece."""
    start, end = _chunk(data, chance)
    length = end - start
    data[start:end] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return data


def spliced(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """The beginning of this file and the end of another one, or a piece of it in the middle."""
    other = chance.choice(files)
    if chance.random() < 0.5:
        return data[: _place(data, chance)] + other[_place(other, chance) :]
    start, end = _chunk(other, chance)
    place = _place(data, chance)
    data[place:place] = other[start:end]
    return data


def joined(data: bytearray, chance: Random, files: Sequence[bytes]) -> bytearray:
    """Two takes in one file, of one format or of two."""
    return data + (data if chance.random() < 0.5 else chance.choice(files))


MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(truncated, flipped, lied, lied, deleted, duplicated, swapped, overwritten, spliced, joined),
)


def _place(data: bytes | bytearray, chance: Random) -> int:
    """Anywhere in a file; half of the time where its header is."""
    size = min(len(data), _HEADER) if chance.random() < 0.5 else len(data)
    return chance.randrange(size) if size else 0


def _beside_a_tag(data: bytearray, chance: Random) -> int:
    places = [place for tag in _TAGS if (place := data.find(tag, _place(data, chance))) >= 0]
    return chance.choice(places) + chance.randint(-8, 32) if places else _place(data, chance)


def _chunk(data: bytes | bytearray, chance: Random) -> tuple[int, int]:
    start = _place(data, chance)
    return start, min(len(data), start + chance.randint(1, _LARGEST_CHUNK))


def _reseal(data: bytearray) -> None:
    """Make the checksums of Ogg pages right again: else pages are dropped before they are read."""
    start = 0
    while (start := data.find(b"OggS", start)) >= 0 and start + 27 <= len(data):
        table = start + 27
        end = table + data[start + 26] + sum(data[table : table + data[start + 26]])
        data[start + 22 : start + 26] = bytes(4)
        page = bytes(data[start:end]).translate(_REVERSED)
        # Ogg's is zlib's polynomial with bits in the other order, and begins with zeros.
        mirrored = zlib.crc32(page, 0xFFFFFFFF) ^ 0xFFFFFFFF
        data[start + 22 : start + 26] = mirrored.to_bytes(4, "big").translate(_REVERSED)
        start += 27
