"""Sound as a WAV file."""

from __future__ import annotations

import io
import wave

import numpy as np

from audio_score_server.domain import Waveform


def wav_of(waveform: Waveform) -> bytes:
    """A waveform as a file of 16-bit samples; what is louder than full scale is cut off."""
    samples = np.clip(np.rint(waveform.samples * 32_768.0), -32_768, 32_767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(waveform.sampling_rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()
