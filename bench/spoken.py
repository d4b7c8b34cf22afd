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
from bench.demo import DEMO_CLIPS, DEMO_RECORDINGS, ids

RATE: Final = 16_000
LIMITS: Final = DecodeLimits(RATE, 0.1, 3_600.0)
"""Whatever a file holds, at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording at 16 kHz and its text, as a text file would have it."""

    waveform: Waveform
    text: str


def demo_spoken() -> list[Spoken]:
    """The demo's right readings with their clips' texts."""
    return [
        _spoken(path, DEMO_CLIPS.joinpath(f"{'_'.join(ids(path.name))}.txt").read_text())
        for path in sorted(DEMO_RECORDINGS.glob("*_right.*"))
    ]


def spoken(folder: Path, most: int) -> list[Spoken]:
    """Recordings of a folder with a ``manifest.csv`` of columns ``file`` and ``text``.

    Args:
        folder: where they are; or a manifest of another name.
        most: so many of them, evenly drawn.
    """
    manifest = folder if folder.is_file() else folder / "manifest.csv"
    with manifest.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    drawn = np.linspace(0, len(lines) - 1, min(most, len(lines)), dtype=int)
    return [
        # Corpora have texts in capitals.
        _spoken(manifest.parent / lines[index]["file"], lines[index]["text"].capitalize())
        for index in drawn
    ]


def _spoken(path: Path, text: str) -> Spoken:
    return Spoken(decode(path.read_bytes(), LIMITS), text.strip())


def words_of(text: str) -> list[str]:
    """English words, numbers and contractions written out, without case and punctuation."""
    return [word.text for word in normalize(text, "en")]


def word_errors(written: Sequence[str], right: Sequence[str]) -> int:
    """Words to be changed, left out or put in."""
    return Levenshtein.distance(written, right)
