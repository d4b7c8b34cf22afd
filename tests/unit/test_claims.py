"""Files that claim more than they can hold."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from audio_score_server.audio.claims import claims_too_much
from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.errors import UndecodableAudio
from tests.process.server import ROOT

RECORDINGS = sorted((ROOT / "audio_clip").iterdir()) + sorted((ROOT / "video_clip").glob("*.mov"))
LIMITS = DecodeLimits(16_000, 0.1, 30)


def _m4a() -> bytearray:
    return bytearray(next(path for path in RECORDINGS if path.suffix == ".m4a").read_bytes())


def test_real_recordings_claim_what_they_hold() -> None:
    assert not any(claims_too_much(path.read_bytes()) for path in RECORDINGS)


def test_an_mp4_of_sixty_million_samples_is_refused() -> None:
    data = _m4a()
    struct.pack_into(">II", data, data.index(b"stsz") + 8, 1, 60_000_000)
    assert claims_too_much(bytes(data))
    with pytest.raises(UndecodableAudio, match="claims to hold more"):
        decode(bytes(data), LIMITS)


def test_fragments_are_counted_together() -> None:
    fragment = struct.pack(">I4sII", 16, b"trun", 0, 600)
    few, many = (b"\0\0\0\x10ftypisom\0\0\0\0" + fragment * n for n in (0, 60))
    assert not claims_too_much(few)
    assert claims_too_much(many)


@pytest.mark.parametrize("form", [b"RIFF", b"RF64"])
def test_a_wav_whose_title_is_longer_than_the_file_is_refused(form: bytes) -> None:
    fmt = b"fmt " + struct.pack("<I", 16) + bytes(16)
    title = b"LIST" + struct.pack("<I", 2**31) + b"INFOISFT"
    assert claims_too_much(form + b"\0\0\0\0WAVE" + fmt + title)


def test_the_letters_of_a_box_within_sound_claim_nothing() -> None:
    sound = np.frombuffer(b"LIST\xff\xff\xff\x7f" * 100, np.int16).tobytes()
    fmt = b"fmt " + struct.pack("<I", 16) + bytes(16)
    header = b"RIFF\0\0\0\0WAVE" + fmt + b"data" + struct.pack("<I", len(sound))
    assert not claims_too_much(header + sound)
    assert not claims_too_much(bytes(_m4a()) + b"\xff\xff\xff\xffstsz" + b"\xff" * 20)
