"""FLAC frames state their own sampling rate, and a file may change it on the way."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.errors import UndecodableAudio

_LIMITS = DecodeLimits(16_000, 0.1, 60.0)


def _flac(rate: int) -> bytes:
    """A second of noise."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        noise = (np.random.default_rng(0).standard_normal((1, rate)) * 1000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
        frame.sample_rate = rate
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _frames(flac: bytes) -> bytes:
    return flac[flac.index(b"\xff\xf8") :]


def test_a_recording_may_change_its_rate() -> None:
    slow, fast = _flac(8_000), _flac(16_000)
    waveform = decode(fast + _frames(slow) + _frames(fast), _LIMITS)
    assert waveform.seconds == pytest.approx(3.0, abs=0.01)


def test_a_recording_that_changes_it_all_the_time_is_refused() -> None:
    slow, fast = _flac(8_000), _flac(16_000)
    with pytest.raises(UndecodableAudio, match="again and again"):
        decode(fast + (_frames(slow) + _frames(fast)) * 10, _LIMITS)
