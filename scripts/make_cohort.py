#!/usr/bin/env python3
"""Make the built-in speech: lines to tell a clip's own line from any other by, and to fit views on.

    python scripts/make_cohort.py NATIVE LEARNERS

Both are folders of recordings with a ``manifest.csv`` of ``file``, ``speaker`` and ``text``: native
readers (LibriSpeech) and learners (speechocean762's training part), both CC BY 4.0. Of each, so
many speakers say one line each, chosen by a seed; ``audio_score_server/cohort/`` gets them in turn,
as Opus at 16 kbit/s. The same version of ffmpeg gives the same bytes again.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Final

import av

FOLDER: Final = Path(__file__).parents[1] / "audio_score_server" / "cohort"
_SPEAKERS: Final = 28
"""Of either kind: four minutes in all, of which more would be no clearer."""
_SECONDS: Final = (2.0, 7.0)
_FEWEST_WORDS: Final = 4
_SUREST_LOGPROB: Final = -0.5
"""Of a text that a recogniser wrote: what it doubts may be wrong."""


def main() -> None:
    """Command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    native, learners = (_chosen(Path(name)) for name in sys.argv[1:])
    FOLDER.mkdir(exist_ok=True)
    for old in (*FOLDER.glob("cohort_line*"),):
        old.unlink()
    pairs = zip(native, learners, strict=True)
    for number, (path, text) in enumerate((each for pair in pairs for each in pair), start=1):
        _encode(path, FOLDER / f"cohort_line{number:02d}.webm")
        (FOLDER / f"cohort_line{number:02d}.txt").write_text(text + "\n", encoding="utf-8")


def _chosen(folder: Path) -> list[tuple[Path, str]]:
    """A line of each of some speakers, in a random but repeatable order."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if _suits(row)]
    chance = Random(0)
    chance.shuffle(rows)
    found: dict[str, tuple[Path, str]] = {}
    for row in rows:
        path = folder / row["file"]
        if row["speaker"] not in found and _SECONDS[0] <= _seconds(path) <= _SECONDS[1]:
            found[row["speaker"]] = (path, row["text"].capitalize())
        if len(found) == _SPEAKERS:
            return list(found.values())
    sys.exit(f"{folder} has fewer than {_SPEAKERS} speakers with lines that suit")


def _suits(row: dict[str, str]) -> bool:
    """Files for judging are no material."""
    sure = float(row.get("mean_logprob") or 0) > _SUREST_LOGPROB
    words = row["text"].split()
    spelt = all(word.isascii() and not any(map(str.isdigit, word)) for word in words)
    return sure and spelt and len(words) >= _FEWEST_WORDS and not row["file"].startswith("test/")


def _seconds(path: Path) -> float:
    with av.open(path) as container:
        return (container.duration or 0) / av.time_base


def _encode(source: Path, target: Path) -> None:
    options = "-ac 1 -ar 16000 -c:a libopus -b:a 16k -application voip -map_metadata -1 -bitexact"
    command = ["ffmpeg", "-y", "-loglevel", "error", "-i", str(source), *options.split()]
    try:
        subprocess.run([*command, str(target)], check=True)
    except FileNotFoundError:
        sys.exit("ffmpeg is missing: apt-get install ffmpeg")


if __name__ == "__main__":
    main()
