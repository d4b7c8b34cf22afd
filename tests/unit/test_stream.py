"""Decoding as a stream: the same sound as at once, in bounded memory, whatever is wrong."""

from __future__ import annotations

import io

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.audio.stream import stream
from audio_score_server.domain import FloatArray
from audio_score_server.errors import (
    EmptyAudio,
    TooLongAudio,
    TooShortAudio,
    UndecodableAudio,
)
from tests.support import chirp, encoded, video_without_sound, wav_bytes

RATE = 16_000
LIMITS = DecodeLimits(RATE, 0.2, 60.0)


def _wav(samples: FloatArray, rate: int) -> bytes:
    return wav_bytes((32_767 * samples).astype("<i2").tobytes(), rate)


def _heard(data: bytes, limits: DecodeLimits = LIMITS) -> FloatArray:
    return np.concatenate(list(stream(io.BytesIO(data), limits).blocks))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_a_stream_is_the_same_sound(rate: int) -> None:
    data = _wav(0.5 * chirp(40.0, rate, 100.0), rate)
    whole = decode(data, LIMITS).samples
    heard = _heard(data)
    assert abs(len(heard) - len(whole)) <= 32
    count = min(len(heard), len(whole))
    error = np.sqrt(np.mean(np.square(heard[:count] - whole[:count])))
    assert error < 0.02 * np.sqrt(np.mean(np.square(whole)))


def test_a_long_recording_comes_in_parts_and_tells_its_length() -> None:
    data = _wav(np.zeros(50 * 48_000, np.float32), 48_000)
    sound = stream(io.BytesIO(data), LIMITS)
    assert sound.seconds == pytest.approx(50.0)
    blocks = list(sound.blocks)
    assert len(blocks) > 1
    assert max(map(len, blocks)) < 30 * RATE


def test_compressed_sound_is_a_stream_too() -> None:
    heard = _heard(encoded(chirp(3.0, 48_000), "ogg", "libopus", 48_000))
    assert len(heard) == pytest.approx(3.0 * RATE, rel=0.02)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyAudio),
        (b"no sound at all", UndecodableAudio),
        (b"RIFF" + b"x" * 100, UndecodableAudio),
        (video_without_sound(), UndecodableAudio),
        (_wav(np.zeros(100, np.float32), RATE), TooShortAudio),
        (_wav(np.zeros(61 * RATE, np.float32), RATE), TooLongAudio),
    ],
)
def test_what_cannot_be_used_is_told(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        _heard(data)


def test_a_recording_that_is_cut_off_is_heard_until_there() -> None:
    data = _wav(chirp(10.0, RATE), RATE)
    assert len(_heard(data[: len(data) // 2])) == pytest.approx(5 * RATE, rel=0.01)
