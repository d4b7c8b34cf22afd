"""What the probabilities of words in transcripts are worth: are nine of ten right at 0.9?

    python -m bench.word_probabilities [MODEL] [--recordings FOLDER ...] [--most N] [--beam N]

MODEL is a folder with a trained Whisper; base of ``scripts/fetch_test_models``, if none is named. A
folder of recordings has a ``manifest.csv`` with columns ``file`` and ``text``; the demo's right
readings, if none is named. Each is transcribed by itself. A word is right if the alignment of the
transcript with the text, by edit distance, has the same word there.

Printed is a reliability table for every other recording, and the expected calibration error (Guo et
al., "On Calibration of Modern Neural Networks", 2017), with ten bins: of the probabilities as they
are served, and as a monotone map of them would be that was fitted to the other half (isotonic
regression); last the corners of that map.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.optimize import isotonic_regression
from tqdm.asyncio import tqdm

from audio_score_server.assembly import transcriber
from audio_score_server.domain import BoolArray, FloatArray
from audio_score_server.pipelines.protocol import TranscriptionOptions
from audio_score_server.settings import Settings
from audio_score_server.transcription.words import TimedWord
from audio_score_server.transcription.words import words_of as words_in
from bench import options
from bench.machine import describe
from bench.measure import cores, show
from bench.recordings import encode
from bench.spoken import Spoken, demo_spoken, spoken, words_of
from training.kokoro import models_folder

_BINS: Final = 10
_AT_ONCE: Final = 8
_CORNERS: Final = 8


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("model", type=Path, nargs="?", default=models_folder() / "whisper-base", help="Folder.")
    add("--recordings", type=Path, nargs="+", default=[], help="Folders of recordings.")
    add("--most", type=options.count, default=sys.maxsize, help="Most of each folder.")
    add("--beam", type=options.count, default=5, help="Width of the beam search.")
    arguments = parser.parse_args()
    recordings = _spoken(arguments)
    transcripts = asyncio.run(_transcripts(recordings, arguments))
    judged = [
        _judged(words, each.text) for words, each in zip(transcripts, recordings, strict=True)
    ]
    fitted, tested = _joined(judged[::2]), _joined(judged[1::2])
    at, share = fit(*fitted)
    mapped = np.interp(tested[0], at, share).astype(np.float32)
    print(f"\n{describe('cpu', ('torch',))}\n")
    for name, probabilities in (("served", tested[0]), ("mapped", mapped)):
        error, rows = reliability(probabilities, tested[1])
        show(
            f"{arguments.model.name}, {name}: expected calibration error {error:.4f}, "
            f"{len(probabilities)} words, {tested[1].mean():.1%} of them right",
            ("from", "words", "mean probability", "right"),
            rows,
        )
    print("\nThe map: " + ", ".join(f"{a:.3f} to {b:.3f}" for a, b in zip(at, share, strict=True)))


def _spoken(arguments: argparse.Namespace) -> list[Spoken]:
    found = [each for folder in arguments.recordings for each in spoken(folder, arguments.most)]
    return found or demo_spoken()


async def _transcripts(
    recordings: Sequence[Spoken], arguments: argparse.Namespace
) -> list[Sequence[TimedWord]]:
    known = {"key": "model", "type": "whisper", "model_id": str(arguments.model)}
    settings = Settings.model_validate({"models": [known], "cpu_threads": cores()})
    asked = TranscriptionOptions("en", beam_size=arguments.beam)
    several = asyncio.Semaphore(_AT_ONCE)

    async def words(own: Any, each: Spoken) -> Sequence[TimedWord]:
        async with several:
            parts = [part async for part in own.transcribe(_file(each), asked)]
        return words_in(segment for part in parts for segment in part.segments)

    async with transcriber(settings, None) as own:
        return await tqdm.gather(*(words(own, each) for each in recordings), file=sys.stderr)


def _file(each: Spoken) -> io.BytesIO:
    return io.BytesIO(encode(each.waveform, "wav"))


def _judged(words: Sequence[TimedWord], text: str) -> tuple[FloatArray, BoolArray]:
    """The probability of each word, and whether it is right."""
    plain = [words_of(word.text) for word in words]
    owners = [place for place, own in enumerate(plain) for _ in own]
    found = np.ones(len(words), bool)
    opcodes = Levenshtein.opcodes([word for own in plain for word in own], words_of(text))
    for opcode in opcodes:
        if opcode.tag != "equal":
            # Of a word that is written out as several, all must be right.
            found[owners[opcode.src_start : opcode.src_end]] = False
    kept = [place for place, own in enumerate(plain) if own]
    probabilities = np.array([words[place].probability for place in kept], np.float32)
    return probabilities, found[kept]


def _joined(judged: Sequence[tuple[FloatArray, BoolArray]]) -> tuple[FloatArray, BoolArray]:
    probabilities, right = zip(*judged, strict=True)
    return np.concatenate(probabilities), np.concatenate(right)


def fit(probabilities: FloatArray, right: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Corners of a monotone map from probabilities to shares of right words.

    Isotonic regression, thinned to the means of a few groups of alike size.
    """
    order = np.argsort(probabilities, kind="stable")
    levels = isotonic_regression(right[order].astype(np.float64)).x
    groups = np.array_split(np.arange(len(order)), _CORNERS)
    at = [float(probabilities[order][group].mean()) for group in groups if len(group)]
    share = [float(levels[group].mean()) for group in groups if len(group)]
    return np.array([0.0, *at, 1.0], np.float32), np.array(
        [min(share[0], at[0]), *share, max(share)], np.float32
    )


def reliability(
    probabilities: FloatArray, right: BoolArray
) -> tuple[float, list[tuple[str, str, str, str]]]:
    """Expected calibration error, and a row for each bin that has words in it."""
    places = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    error, rows = 0.0, []
    for place in np.unique(places):
        inside = places == place
        mean, share = float(probabilities[inside].mean()), float(right[inside].mean())
        error += float(inside.mean()) * abs(mean - share)
        rows.append((f"{place / _BINS:.1f}", str(inside.sum()), f"{mean:.3f}", f"{share:.3f}"))
    return error, rows


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        tqdm.write("Stopped.", file=sys.stderr)
        sys.exit(130)
