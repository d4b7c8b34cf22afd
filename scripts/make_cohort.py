#!/usr/bin/env python3
"""Make the built-in cohort: lines to tell a clip's own line from any other by.

    python scripts/make_cohort.py

Where a library has too few clips to be compared with each other, ``audio_score_server/cohort/``
stands in: a dozen lines in many voices, written for this project and spoken by flite and
espeak-ng. The same versions of those and of ffmpeg give the same bytes again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "audio_score_server" / "cohort"
_FLITE: Final = {"rms": "1.0", "awb": "1.1", "kal16": "1.0", "slt": "0.95"}
_LINES: Final = (
    ("rms", "Please put the heavy box behind the kitchen door."),
    ("en-us+f3", "Why does nobody remember where the key was hidden?"),
    ("awb", "Eleven yellow ducks swam across the quiet pond."),
    ("en-gb+m4", "I would rather stay at home and read a book today."),
    ("kal16", "Thank you very much, that was extremely kind of you."),
    ("en-us+m7", "The judge asked him to speak a little louder."),
    ("slt", "Can we go to the zoo before it starts to rain?"),
    ("en-gb+f2", "Grandmother made seven cups of hot chocolate."),
    ("rms", "Be careful, the stairs are wet and very narrow."),
    ("en-us+f5", "His new bicycle has a bright red basket in front."),
    ("awb", "Shall we measure the garden again tomorrow morning?"),
    ("en-gb-x-rp+m1", "They watched a noisy ship leave the harbour."),
)


def main() -> None:
    """Command line."""
    FOLDER.mkdir(exist_ok=True)
    for number, (voice, line) in enumerate(_LINES, start=1):
        with tempfile.TemporaryDirectory() as scratch:
            spoken = Path(scratch) / "spoken.wav"
            _run(_command(voice, line, spoken))
            encode = f"-y -loglevel error -i {spoken} -ac 1 -ar 16000 -b:a 40k -bitexact".split()
            _run(["ffmpeg", *encode, str(FOLDER / f"cohort_line{number:02d}.mp3")])
        (FOLDER / f"cohort_line{number:02d}.txt").write_text(line + "\n", encoding="utf-8")


def _command(voice: str, line: str, path: Path) -> list[str]:
    if voice in _FLITE:
        stretch = ("--setf", f"duration_stretch={_FLITE[voice]}")
        return ["flite", "-voice", voice, *stretch, "-t", line, "-o", str(path)]
    return ["espeak-ng", "-v", voice, "-s", "150", "-w", str(path), line]


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is missing: apt-get install flite espeak-ng ffmpeg")


if __name__ == "__main__":
    main()
