"""Lines as they are spoken in a quiet room."""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from audio_score_server.audio.resample import resample
from audio_score_server.domain import Waveform
from scripts.demo.encoding import SAMPLE_RATE, Samples
from training.kokoro import RATE, Kokoro, Voice
from training.spelling import english_phones

EDGE_SECONDS: Final = 0.25
SPEECH_RMS: Final = 0.09
ROOM_RMS: Final = 0.0008


def perform(kokoro: Kokoro, text: str, voice: Voice, *, room: str) -> Samples:
    """Speak a text in a quiet room, with a short pause at each end."""
    spoken = Waveform(kokoro.say(english_phones(text), voice), RATE)
    speech = trim(resample(spoken, SAMPLE_RATE).samples.astype(np.float64))
    speech *= SPEECH_RMS / np.sqrt(np.mean(speech**2))
    padded = np.pad(speech, round(EDGE_SECONDS * SAMPLE_RATE))
    return padded + room_noise(len(padded), room=room)


def trim(samples: Samples) -> Samples:
    """Cut the silence at both ends."""
    loud = np.flatnonzero(np.abs(samples) > np.max(np.abs(samples)) / 150)
    return samples[loud[0] : loud[-1] + 1]


def room_noise(count: int, *, room: str) -> Samples:
    """Faint low-pitched noise, always the same for the same room."""
    generator = np.random.default_rng(zlib.crc32(room.encode()))
    rumble = np.convolve(generator.standard_normal(count), np.hanning(12), mode="same")
    return np.asarray(rumble * ROOM_RMS / np.sqrt(np.mean(rumble**2)), dtype=np.float64)
