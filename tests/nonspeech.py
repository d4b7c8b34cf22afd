"""Sounds in which nobody speaks: silence, noise, music and breath, the same ones on every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import FloatArray

RATE: Final = 16_000
_Sound = NDArray[np.float64]
_CHORDS: Final = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16), (2, 5, 9))
"""Semitones above the key."""


def nonspeech(seed: int) -> FloatArray:
    """Float32 ``[samples]`` at 16 kHz, two to six seconds; kind, level and length by the seed."""
    chance = np.random.default_rng(seed)
    seconds = float(chance.uniform(2, 6))
    kind = _KINDS[seed % len(_KINDS)]
    sound = kind(chance, round(seconds * RATE))
    level = 10 ** (chance.uniform(-40, -3) / 20)
    peak = max(1e-9, float(np.abs(sound).max()))
    return (sound * level / peak).astype(np.float32)


def _silence(chance: np.random.Generator, samples: int) -> _Sound:
    """Whatever a microphone and its converter leave of it: a hum, and single bits."""
    hum = np.sin(2 * np.pi * 50 * np.arange(samples) / RATE) * chance.choice([0.0, 1e-4])
    silence: _Sound = np.round((hum + 3e-5 * chance.standard_normal(samples)) * 2**15) / 2**15
    # At its own level, not at the peak that all are brought to.
    silence[0] = 1.0
    return silence


def _noise(chance: np.random.Generator, samples: int) -> _Sound:
    """Of any colour, from white to brown, swelling and fading."""
    spectrum = np.fft.rfft(chance.standard_normal(samples))
    frequencies = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20.0)
    coloured = np.fft.irfft(spectrum * frequencies ** -chance.uniform(0, 1), samples)
    return coloured * (1 + 0.8 * _slow(chance, samples))


def _music(chance: np.random.Generator, samples: int) -> _Sound:
    """Chords of struck strings, and a melody above them."""
    sound = np.zeros(samples)
    beat = round(RATE * chance.uniform(0.25, 0.6))
    key = chance.uniform(110, 260)
    for number, start in enumerate(range(0, samples, beat)):
        chord = _CHORDS[(number // 4 + int(chance.integers(2))) % len(_CHORDS)]
        for step in (*chord, 12 + chord[int(chance.integers(3))]):
            sound[start:] += _string(key * 2 ** (step / 12), samples - start)
    return sound


def _string(frequency: float, samples: int) -> _Sound:
    moments = np.arange(samples) / RATE
    partials = sum(np.sin(2 * np.pi * frequency * n * moments) / n**1.5 for n in range(1, 7))
    return np.asarray(partials * np.exp(-3 * moments))


def _breath(chance: np.random.Generator, samples: int) -> _Sound:
    """Air through a mouth: broad resonances, coming and going."""
    spectrum = np.fft.rfft(chance.standard_normal(samples))
    frequencies = np.fft.rfftfreq(samples, 1 / RATE)
    shape = sum(
        np.exp(-(((frequencies - chance.uniform(400, 5_000)) / 700) ** 2)) for _ in range(3)
    )
    moments = np.arange(samples) / RATE
    strokes = np.clip(np.sin(2 * np.pi * moments / chance.uniform(1.5, 3)), 0, 1) ** 2
    return np.asarray(np.fft.irfft(spectrum * shape, samples) * strokes)


def _slow(chance: np.random.Generator, samples: int) -> _Sound:
    rate, phase = chance.uniform(0.2, 2), chance.uniform(0, 6)
    return np.sin(2 * np.pi * rate * np.arange(samples) / RATE + phase)


_KINDS: Final[tuple[Callable[[np.random.Generator, int], _Sound], ...]] = (
    _silence,
    _noise,
    _music,
    _breath,
)
