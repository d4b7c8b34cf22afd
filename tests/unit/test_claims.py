"""Files that claim more than they hold cost no more than they are."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.errors import UndecodableAudio
from tests.process.server import ROOT

_LIMITS = DecodeLimits(16_000, 0.1, 30.0)
_MUCH_KIB = 200_000
_FMT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)


def _m4a() -> bytearray:
    return bytearray(next((ROOT / "audio_clip").glob("*.m4a")).read_bytes())


def _many_samples() -> bytes:
    data = _m4a()
    struct.pack_into(">II", data, data.index(b"stsz") + 8, 1, 60_000_000)
    return bytes(data)


def _long_title(form: bytes) -> bytes:
    size = 0x70000000
    sizes = struct.pack("<IQQQI", 28, 1 << 31, 1 << 20, 1 << 19, 0)
    title = b"LIST" + struct.pack("<I", size) + b"INFOINAM" + struct.pack("<I", size - 100)
    return form + b"\xff\xff\xff\xffWAVEds64" + sizes + _FMT + title + b"abc"


def _peak_kib() -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(
    "data",
    [_many_samples(), *(_long_title(form) for form in (b"RIFF", b"RF64", b"BW64", b"RIFX"))],
    ids=["samples", "RIFF", "RF64", "BW64", "RIFX"],
)
def test_a_claim_of_gigabytes_is_refused_without_taking_them(data: bytes) -> None:
    # Forget the highest mark of this process's memory so far.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_kib()
    with pytest.raises(UndecodableAudio):
        decode(data, _LIMITS)
    assert _peak_kib() - before < _MUCH_KIB


def test_sound_cut_into_single_values_is_refused() -> None:
    # An Ogg page of one-byte packets would do as well; PCM in Matroska is the easiest to write.
    data = _laced_matroska(seconds=1.0)
    with pytest.raises(UndecodableAudio, match="too many pieces"):
        decode(data, _LIMITS)


def _laced_matroska(seconds: float) -> bytes:
    """PCM at 192 kHz, 256 frames of one byte to a block by fixed lacing."""
    track = _element(0xD7, b"\1") + _element(0x73C5, b"\1") + _element(0x83, b"\2")
    audio = _element(0xB5, struct.pack(">d", 192_000.0)) + _element(0x9F, b"\1")
    audio += _element(0x6264, b"\x08")
    track += _element(0x86, b"A_PCM/INT/LIT") + _element(0xE1, audio)
    block = _element(0xA3, b"\x81\0\0\x04\xff" + bytes([128]) * 256)
    cluster = _element(0xE7, b"\0") + block * int(seconds * 192_000 / 256)
    segment = _element(0x1654AE6B, _element(0xAE, track)) + _element(0x1F43B675, cluster)
    header = _element(0x4282, b"matroska") + _element(0x4287, b"\4") + _element(0x4285, b"\2")
    return _element(0x1A45DFA3, header) + _element(0x18538067, segment)


def _element(identifier: int, content: bytes) -> bytes:
    """EBML: an id, a size of eight bytes, the content."""
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    return name + (len(content) | 1 << 56).to_bytes(8, "big") + content
