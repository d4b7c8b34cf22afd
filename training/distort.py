"""What rooms, telephones and codecs do to a recording: distortions of the waveform itself."""

from __future__ import annotations

import io
from typing import Final

import av
import numpy as np
import torch
import torchaudio

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray

_RATE: Final = 16_000
_LIMITS: Final = DecodeLimits(_RATE, min_seconds=0.0, max_seconds=120.0)
_CODECS: Final = (
    ("ogg", "libopus", 16_000, (12_000, 16_000, 24_000)),
    ("mp3", "libmp3lame", 16_000, (24_000, 32_000, 48_000)),
    ("adts", "aac", 16_000, (24_000, 32_000, 48_000)),
    ("wav", "pcm_mulaw", 8_000, (64_000,)),
)
"""Container, codec, sampling rate, bit rates."""


def reverberate(samples: FloatArray, chance: np.random.Generator) -> FloatArray:
    """Convolve with a made room: a direct path and an exponentially decaying, darkening tail."""
    decay_s = chance.uniform(0.15, 0.6)
    length = int(decay_s * _RATE)
    tail = chance.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail = np.convolve(tail, np.ones(4) / 4, mode="same") * chance.uniform(0.02, 0.12)
    tail[: int(chance.uniform(0.002, 0.02) * _RATE)] = 0.0
    tail[0] = 1.0
    room = torch.from_numpy(tail.astype(np.float32))
    wet = torchaudio.functional.fftconvolve(torch.from_numpy(samples), room)
    return np.asarray(wet[: len(samples)].numpy(), np.float32)


def recode(samples: FloatArray, chance: np.random.Generator) -> FloatArray:
    """Through a lossy codec, or a telephone's, and back."""
    container, codec, rate, bit_rates = _CODECS[chance.integers(len(_CODECS))]
    encoded = _encode(samples, container, codec, rate, int(chance.choice(bit_rates)))
    return decode(encoded, _LIMITS).samples


def _encode(samples: FloatArray, container: str, codec: str, rate: int, bit_rate: int) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
        frame.sample_rate = _RATE
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()
