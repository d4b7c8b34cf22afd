"""Sound as a WAV file."""

from __future__ import annotations

import io
import wave
from typing import Final

import numpy as np

from audio_score_server.domain import Waveform

_FULL_SCALE: Final = 32_767


def wav(waveform: Waveform) -> bytes:
    """A WAV file, 16-bit PCM, at the waveform's rate; what overshoots full scale is cut."""
    samples = np.rint(np.clip(waveform.samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(waveform.sampling_rate)
        output.writeframes(samples.tobytes())
    return buffer.getvalue()
