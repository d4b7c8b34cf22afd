"""Recordings with the phones that were said, from folders with a ``manifest.csv``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray
from audio_score_server.language.phones import phone_indices
from audio_score_server.runners.phones.frontend import SAMPLING_RATE

_LIMITS = DecodeLimits(SAMPLING_RATE, min_seconds=0.1, max_seconds=60.0)


@dataclass(frozen=True, slots=True)
class Recording:
    """One line of a manifest.

    Attributes:
        path: the audio file.
        speaker: who speaks; no speaker is in training and in held-out data both.
        phones: network output indices of the phones said.
    """

    path: Path
    speaker: str
    phones: tuple[int, ...]

    def samples(self) -> FloatArray:
        """float32 ``[samples]`` at the network's rate."""
        return decode(self.path.read_bytes(), _LIMITS).samples


def read_corpus(folder: Path) -> list[Recording]:
    """The recordings of a folder whose ``manifest.csv`` has file, speaker, text and phones.

    Raises:
        FileNotFoundError: there is no manifest.
        KeyError: a column is missing, or a phone is not ARPAbet.
    """
    with (folder / "manifest.csv").open(newline="") as stream:
        return [
            Recording(
                folder / row["file"], row["speaker"], tuple(phone_indices(row["phones"].split()))
            )
            for row in csv.DictReader(stream)
        ]


def split_by_speaker(
    recordings: list[Recording], held_out_every: int
) -> tuple[list[Recording], list[Recording]]:
    """Training and held-out recordings; every n-th speaker, in order of name, is held out."""
    speakers = sorted({recording.speaker for recording in recordings})
    held_out = set(speakers[held_out_every // 2 :: held_out_every])
    return (
        [recording for recording in recordings if recording.speaker not in held_out],
        [recording for recording in recordings if recording.speaker in held_out],
    )
