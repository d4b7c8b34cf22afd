"""How well the phone encoder tells right readings from wrong ones.

    python -m training.evaluate FOLDER [--plot scores.png]

FOLDER holds recordings and a ``manifest.csv`` with file, sentence, reader and text. The first
reader's recordings take the part of the clips, with their text beside them; every recording of
every other reader is scored against every clip, through the same code as the server's. Prints, for
each similarity: AUC (the chance that a right reading scores above a wrong one), equal error rate,
and the means of both kinds.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from tqdm import tqdm

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Encoding, Reference, Transcript, Utterance
from audio_score_server.runners.phones.frontend import SAMPLING_RATE
from audio_score_server.runners.phones.lexicon import pronounce
from audio_score_server.runners.phones.runner import PhonesRunner
from audio_score_server.scoring.score import score
from audio_score_server.settings import PhonesSettings, Settings

_LIMITS: Final = DecodeLimits(SAMPLING_RATE, min_seconds=0.1, max_seconds=60.0)
_SIMILARITIES: Final = ("audio_sim_score", "text_sim_score", "sim_score")
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """One recording of the manifest."""

    path: Path
    sentence: str
    reader: str
    text: str


@dataclass(frozen=True, slots=True)
class Trials:
    """Scores of right and of wrong readings, each ``[trials, 3]`` in the order of the answer."""

    right: Scores
    wrong: Scores


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plot", type=Path, help="also draw the distributions into this picture")
    arguments = parser.parse_args()
    readings = read_manifest(arguments.folder)
    trials, error_rate = evaluate(readings)
    print(f"{len(trials.right)} right and {len(trials.wrong)} wrong readings")
    print(f"phone error rate {error_rate:.3f}")
    print(f"{'':16}{'AUC':>8}{'EER':>8}{'right':>8}{'wrong':>8}")
    for column, name in enumerate(_SIMILARITIES):
        right, wrong = trials.right[:, column], trials.wrong[:, column]
        print(
            f"{name:16}{auc(right, wrong):8.4f}{equal_error_rate(right, wrong):8.3f}"
            f"{right.mean():8.3f}{wrong.mean():8.3f}"
        )
    if arguments.plot:
        _plot(trials, arguments.plot)


def read_manifest(folder: Path) -> list[Reading]:
    """The recordings that ``manifest.csv`` lists."""
    with (folder / "manifest.csv").open(newline="") as stream:
        return [
            Reading(folder / row["file"], row["sentence"], row["reader"], row["text"])
            for row in csv.DictReader(stream)
        ]


def evaluate(readings: list[Reading]) -> tuple[Trials, float]:
    """Score every recording of the later readers against every clip of the first.

    Returns:
        The scores, and the phone error rate over all recordings.
    """
    runner = PhonesRunner(Settings(models=(PhonesSettings(key="phones", type="phones"),)))
    first = min(reading.reader for reading in readings)
    clips = [reading for reading in readings if reading.reader == first]
    references = [_reference(runner, clip) for clip in tqdm(clips, desc="clips")]
    right: list[tuple[float, float, float]] = []
    wrong: list[tuple[float, float, float]] = []
    for recording in tqdm([r for r in readings if r.reader != first], desc="recordings"):
        encodings = _encode(runner, recording, [reference.transcript for reference in references])
        for clip, reference, encoding in zip(clips, references, encodings, strict=True):
            result = score(reference, encoding)
            kind = right if clip.sentence == recording.sentence else wrong
            kind.append((result.audio, result.text, result.total))
    return Trials(np.array(right), np.array(wrong)), _error_rate(runner, readings)


def _reference(runner: PhonesRunner, clip: Reading) -> Reference:
    (encoding,) = _encode(runner, clip, [None])
    return Reference(encoding.features, runner.expected(clip.text) or encoding.transcript)


def _encode(
    runner: PhonesRunner, reading: Reading, expected: Sequence[Transcript | None]
) -> list[Encoding]:
    """A recording's encodings as performances of each of the texts expected."""
    waveform = decode(reading.path.read_bytes(), _LIMITS)
    features = runner.prepare(waveform)
    return runner.run([Utterance(features, text) for text in expected])


def _error_rate(runner: PhonesRunner, readings: list[Reading]) -> float:
    edits = said = 0
    for reading in readings:
        truth = [phone for word in pronounce(reading.text) for phone in word.phones]
        (encoding,) = _encode(runner, reading, [None])
        edits += Levenshtein.distance(encoding.transcript.text.split(), truth)
        said += len(truth)
    return edits / said


def auc(right: Scores, wrong: Scores) -> float:
    """The chance that a right reading scores above a wrong one; ties count half."""
    above = (right[:, None] > wrong[None]).mean()
    return float(above + (right[:, None] == wrong[None]).mean() / 2)


def equal_error_rate(right: Scores, wrong: Scores) -> float:
    """The error rate at the threshold where right and wrong readings are mistaken equally often."""
    thresholds = np.unique(np.concatenate([right, wrong]))
    missed = np.array([(right < threshold).mean() for threshold in thresholds])
    passed = np.array([(wrong >= threshold).mean() for threshold in thresholds])
    nearest = np.abs(missed - passed).argmin()
    return float((missed[nearest] + passed[nearest]) / 2)


def _plot(trials: Trials, path: Path) -> None:
    """Histograms of right and wrong readings, one panel for each similarity."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(_SIMILARITIES), figsize=(12, 3.2), sharey=True)
    bins = np.linspace(0, 1, 41)
    for column, (axis, name) in enumerate(zip(axes, _SIMILARITIES, strict=True)):
        axis.hist(trials.wrong[:, column], bins, density=True, alpha=0.7, label="wrong line")
        axis.hist(trials.right[:, column], bins, density=True, alpha=0.7, label="right line")
        axis.set(title=name, xlim=(0, 1))
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
