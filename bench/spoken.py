"""Recordings of people with their texts, and how many words of them were understood."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rapidfuzz.distance import Levenshtein

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Waveform
from audio_score_server.language.normalization import normalize

RATE: Final = 16_000
_LIMITS: Final = DecodeLimits(RATE, 0.1, 3_600.0)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording at 16 kHz and its text, as the manifest has it."""

    waveform: Waveform
    text: str


def spoken(folder: Path, part: str, most: int) -> list[Spoken]:
    """Recordings of a folder with a ``manifest.csv`` of columns ``file`` and ``text``.

    Args:
        folder: where they are; or a manifest of another name.
        part: files alone that begin so.
        most: so many of them, evenly drawn.
    """
    manifest = folder if folder.is_file() else folder / "manifest.csv"
    with manifest.open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["file"].startswith(part)]
    drawn = [
        lines[index] for index in np.linspace(0, len(lines) - 1, min(most, len(lines)), dtype=int)
    ]
    return [
        Spoken(decode((manifest.parent / line["file"]).read_bytes(), _LIMITS), line["text"])
        for line in drawn
    ]


def words_of(text: str) -> list[str]:
    """English words, numbers and contractions written out, without case and punctuation."""
    return [word.text for word in normalize(text, "en")]


def word_errors(written: Sequence[str], right: Sequence[str]) -> int:
    """Words to be changed, left out or put in."""
    return Levenshtein.distance(written, right)
