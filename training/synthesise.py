"""Make a corpus of synthetic voices: flite and espeak-ng read sentences of our own.

    python -m training.synthesise OUTPUT_FOLDER [--count 1800]

The folder gets WAV files and a ``manifest.csv`` (file, speaker, text, phones) like any corpus.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tqdm import tqdm

from audio_score_server.language.lexicon import pronounce
from training.sentences import sentences

FLITE_VOICES: Final = ("rms", "awb", "kal16")
"""flite's slt is left out: the evaluation needs a voice never heard."""
ESPEAK_VARIANTS: Final = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5"),
    *("klatt", "klatt2", "klatt4", "steph", "linda", "belinda", "michael", "rob", "max", "Andy"),
    *("adam", "Alicia", "Annie", "david", "john", "paul", "victor", "zac", "travis"),
)
ESPEAK_ACCENTS: Final = ("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp")
FLITE_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Reading:
    """One sentence for one voice."""

    file: str
    speaker: str
    text: str
    command: tuple[str, ...]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=1800, help="sentences to read")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for program in ("flite", "espeak-ng"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed; on Debian: apt-get install {program}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    synthesise(arguments.output, arguments.count, arguments.seed)


def synthesise(folder: Path, count: int, seed: int) -> None:
    """Write ``count`` readings and their manifest into ``folder``."""
    readings = _readings(folder, count, seed)
    with ThreadPoolExecutor() as pool:
        list(tqdm(pool.map(_read, readings), total=count, desc="reading", unit="sentence"))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "speaker", "text", "phones"))
        for reading in tqdm(readings, desc="phones", unit="sentence"):
            phones = [phone for word in pronounce(reading.text) for phone in word.phones]
            writer.writerow((reading.file, reading.speaker, reading.text, " ".join(phones)))


def _readings(folder: Path, count: int, seed: int) -> list[Reading]:
    chance = random.Random(seed)
    return [
        _reading(folder, f"{index:05d}.wav", text, chance)
        for index, text in enumerate(sentences(count, seed))
    ]


def _reading(folder: Path, file: str, text: str, chance: random.Random) -> Reading:
    read = _flite if chance.random() < FLITE_SHARE else _espeak
    return read(folder, file, text, chance)


def _flite(folder: Path, file: str, text: str, chance: random.Random) -> Reading:
    voice = chance.choice(FLITE_VOICES)
    pace, pitch = chance.uniform(0.8, 1.3), chance.uniform(85, 210)
    options = (
        "--setf",
        f"duration_stretch={pace:.2f}",
        "--setf",
        f"int_f0_target_mean={pitch:.0f}",
    )
    command = ("flite", "-voice", voice, *options, "-t", text, "-o", str(folder / file))
    return Reading(file, f"flite-{voice}", text, command)


def _espeak(folder: Path, file: str, text: str, chance: random.Random) -> Reading:
    voice = f"{chance.choice(ESPEAK_ACCENTS)}+{chance.choice(ESPEAK_VARIANTS)}"
    pace, pitch = chance.uniform(110, 190), chance.uniform(25, 80)
    options = ("-v", voice, "-s", f"{pace:.0f}", "-p", f"{pitch:.0f}")
    command = ("espeak-ng", *options, "-w", str(folder / file), text)
    return Reading(file, f"espeak-{voice}", text, command)


def _read(reading: Reading) -> None:
    subprocess.run(reading.command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
