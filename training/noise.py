"""Made noises: coloured noise, hum, babble and simple music, as a microphone might hear them."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio_score_server.domain import FloatArray

_RATE: Final = 16_000
_SECONDS: Final = 10


def make_noises(
    count: int, voices: list[FloatArray], chance: np.random.Generator
) -> list[FloatArray]:
    """``count`` noises of ten seconds, float32 at 16 kHz; ``voices`` are mixed into babble."""
    makers = (_coloured, _coloured, _hum, _music, _music, lambda c: _babble(voices, c))
    return [makers[index % len(makers)](chance) for index in range(count)]


def _coloured(chance: np.random.Generator) -> FloatArray:
    """Noise whose power falls with frequency by a random exponent: white, pink, brown, between."""
    spectrum = np.fft.rfft(chance.standard_normal(_RATE * _SECONDS))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** chance.uniform(0, 1)
    return _levelled(np.fft.irfft(spectrum) * _swell(chance))


def _hum(chance: np.random.Generator) -> FloatArray:
    """Mains and fans: a low tone with harmonics over faint noise."""
    time = np.arange(_RATE * _SECONDS) / _RATE
    pitch = chance.uniform(45, 130)
    tones = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 12))
    return _levelled(tones + 0.3 * chance.standard_normal(len(time)))


def _music(chance: np.random.Generator) -> FloatArray:
    """Plucked chords over a drum of noise bursts."""
    sound = np.zeros(_RATE * _SECONDS)
    beat = int(_RATE * chance.uniform(0.2, 0.6))
    root = chance.uniform(110, 330)
    for start in range(0, len(sound) - beat, beat):
        length = min(4 * beat, len(sound) - start)
        time = np.arange(length) / _RATE
        for step in chance.choice((0, 3, 4, 5, 7, 9, 12), 3):
            pitch = root * 2 ** (step / 12)
            partials = sum(np.sin(2 * np.pi * pitch * n * time) / n**2 for n in range(1, 7))
            sound[start : start + length] += partials * np.exp(-3 * time)
        drum = chance.standard_normal(length) * np.exp(-chance.uniform(20, 60) * time)
        sound[start : start + length] += chance.uniform(0, 1.5) * drum
    return _levelled(sound)


def _babble(voices: list[FloatArray], chance: np.random.Generator) -> FloatArray:
    """Three to eight people talking elsewhere."""
    sound = np.zeros(_RATE * _SECONDS)
    for _ in range(chance.integers(3, 9)):
        talk = np.concatenate([voices[i] for i in chance.integers(len(voices), size=6)])
        sound += np.resize(talk, len(sound)) / (talk.std() + 1e-6)
    return _levelled(sound)


def _swell(chance: np.random.Generator) -> np.ndarray:
    knots = chance.uniform(0.3, 1.0, 12)
    return np.interp(np.linspace(0, 11, _RATE * _SECONDS), np.arange(12), knots)


def _levelled(sound: np.ndarray) -> FloatArray:
    return np.asarray(0.1 * sound / (sound.std() + 1e-9), np.float32)
