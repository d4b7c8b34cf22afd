"""Sentences of a synthetic voice, laid into a recording at known places: when each word begins."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray

RATE: Final = 16_000
SENTENCES: Final = (
    "the little boat went down the river before the sun came up",
    "nobody in the house could find the key to the garden door",
    "she put seven green apples on the table and took one away",
    "we waited for the train until the snow began to fall",
    "my brother keeps a picture of the old bridge in his room",
    "there was a loud noise in the kitchen and then nothing at all",
    "the teacher asked them to read the second page again",
    "when the rain stopped the children ran out into the street",
)
_VOICES: Final = ("slt", "rms", "awb", "kal16")
_NOISE: Final = 10 ** (-45 / 20)
_PAUSE: Final = "pau"


@dataclass(frozen=True, slots=True)
class Dictation:
    """A recording and its words.

    Attributes:
        samples: float32 ``[samples]`` at ``RATE``.
        words: with the second at which each begins, in order.
    """

    samples: FloatArray
    words: list[tuple[str, float]]


def dictation(folder: Path, seed: int = 0) -> Dictation:
    """Every sentence by one of four voices, in noise, some seconds of it between them."""
    chance = np.random.default_rng(seed)
    pieces: list[FloatArray] = []
    words: list[tuple[str, float]] = []
    now = 0.0
    for number, sentence in enumerate(SENTENCES):
        voice = _VOICES[number % len(_VOICES)]
        pause = np.zeros(int(chance.uniform(0.3, 4.0) * RATE), np.float32)
        samples, starts = _spoken(sentence, voice, folder / "sentence.wav")
        now += len(pause) / RATE
        words += [(word, now + start) for word, start in starts]
        now += len(samples) / RATE
        pieces += [pause, samples]
    sound = np.concatenate(pieces)
    noise = _NOISE * chance.standard_normal(len(sound))
    return Dictation((sound + noise).astype(np.float32), words)


def _spoken(sentence: str, voice: str, file: Path) -> tuple[FloatArray, list[tuple[str, float]]]:
    """The voice's own account of when it says what; each phone ends where the next one begins."""
    told = _flite(sentence, voice, "-psdur", str(file))
    ends = [(phone, float(end)) for phone, _, end in (each.partition(":") for each in told)]
    starts = [0.0, *(end for _, end in ends[:-1])]
    phones = [start for (phone, _), start in zip(ends, starts, strict=True) if phone != _PAUSE]
    words, first = [], 0
    for word in sentence.split():
        words.append((word, phones[first]))
        first += _count(word, voice)
    assert first == len(phones), f"{voice} does not say {sentence!r} word by word"
    return decode(file.read_bytes(), DecodeLimits(RATE, 0.1, 60.0)).samples, words


@cache
def _count(word: str, voice: str) -> int:
    """How many phones a word has."""
    return sum(phone != _PAUSE for phone in _flite(word, voice, "-ps", "none"))


def _flite(text: str, voice: str, told: str, output: str) -> list[str]:
    command = ["flite", "-voice", voice, "-t", text, told, "-o", output]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.findall(r"\S+", done.stdout)
