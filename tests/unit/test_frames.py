from __future__ import annotations

import struct

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.errors import TooLongAudio
from tests.support import chirp, encoded, likeness

_LIMITS = DecodeLimits(sampling_rate=16_000, min_seconds=0.2, max_seconds=5.0)
_NOISE = np.random.default_rng(3).bytes(60_000)
_SEAMS = {
    "nothing": b"",
    "the end of one take": b"TAG" + b"My recording".ljust(125, b"\0"),
    # The size of this tag is written in seven bits a byte.
    "a cover": b"ID3\x04\0\0\0\x00\x03\x54\x60" + _NOISE,
    "a burst of errors": _NOISE[:3_000],
}


def _take(lowest: float, bit_rate: str) -> bytes:
    sound = chirp(1.5, 48_000, lowest)
    return encoded(sound, "mp3", "libmp3lame", 48_000, options={"b": bit_rate})


def _from_frames(take: bytes) -> bytes:
    """An MP3 without the tag before its first frame."""
    return take[10 + int.from_bytes(take[6:10], "big") :]


@pytest.mark.parametrize("seam", _SEAMS)
@pytest.mark.parametrize("tagged", [False, True])
def test_an_mp3_is_heard_to_its_end_whatever_its_header_tells(seam: str, tagged: bool) -> None:
    first, second = _take(200.0, "64k"), _take(2_000.0, "48k")
    rest = second if tagged else _from_frames(second)
    waveform = decode(first + _SEAMS[seam] + rest, _LIMITS)
    assert waveform.seconds == pytest.approx(3.0, abs=0.4)
    for alone, there in ((first, waveform.samples[:24_000]), (second, waveform.samples[24_000:])):
        assert likeness(there, decode(alone, _LIMITS).samples) > 0.9


def test_an_mp3_of_a_header_of_vbri_is_heard_to_its_end() -> None:
    take = _from_frames(_take(200.0, "64k"))
    # Version, delay, quality, bytes, frames, and a table of one entry.
    header = b"VBRI" + struct.pack(">HHHIIHHHHH", 1, 0, 75, len(take), 63, 1, 1, 2, 63, 9)
    first = take[:4] + bytes(32) + header + take[36 + len(header) :]
    waveform = decode(first + _take(2_000.0, "48k"), _LIMITS)
    assert waveform.seconds == pytest.approx(3.0, abs=0.2)


def test_takes_in_one_mp3_count_together_towards_the_limit() -> None:
    with pytest.raises(TooLongAudio):
        decode(_take(200.0, "64k") * 4, _LIMITS)


@pytest.mark.parametrize(
    ("container", "codec"), [("flac", "flac"), ("adts", "aac"), ("ogg", "libopus")]
)
def test_takes_in_one_file_are_heard_to_the_end(container: str, codec: str) -> None:
    take = encoded(chirp(1.5, 48_000), container, codec, 48_000)
    assert decode(take + take, _LIMITS).seconds == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize(("damaged", "seconds"), [(900, 3.0), (1_100, 1.5)])
def test_damage_is_passed_over_up_to_a_bound(damaged: int, seconds: float) -> None:
    take = _from_frames(_take(200.0, "64k"))
    # A frame of 192 bytes, its header right and all else wrong.
    waveform = decode(take + (take[:4] + b"\xff" * 188) * damaged + take, _LIMITS)
    assert waveform.seconds == pytest.approx(seconds, abs=0.1)
