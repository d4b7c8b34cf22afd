"""Encoder windows as long as they need to be, against 30 s: words, features and time.

    python -m bench.windows MODEL [--texts FOLDER] [--own FOLDER] [--part PREFIX] [--most N]

MODEL is a folder with a trained Whisper checkpoint. A folder of recordings has a ``manifest.csv``
with columns ``file`` and ``text``, or the manifest itself is named. Transcripts of ``--texts`` are
judged by the manifest's, those of ``--own`` by what the model itself writes in 30 s; ``--part``
takes only files that begin so, ``--most`` so many of each, evenly drawn. Every recording is heard
by itself, in float32:

- in 30 s;
- in ``auto`` windows;
- in those, without hearing again what looks made up;
- in ``auto`` windows, with the manifest's text as draft.

Printed are the word error rate (numbers and contractions in words), the share of recordings that
were heard again, the mean cosine of features to those of 30 s, and seconds for all. The ways take
turns, so that a noisy minute hits all alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np
import torch

from audio_score_server.domain import Encoding, FloatArray, Utterance, Waveform
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.runners.whisper.windowed_encoder import WindowedEncoder
from audio_score_server.settings import Settings, WhisperSettings
from bench.machine import describe
from bench.markdown import show_markdown
from bench.measure import cores, progress
from bench.spoken import Spoken, spoken, word_errors, words_of

_PACKAGES: Final = ("torch", "transformers")

Run = Callable[[Waveform, str], Encoding]


@dataclass(slots=True)
class Tally:
    """What one way of hearing came to.

    Attributes:
        errors: words wrong, missing or too many.
        words: that should have been written.
        repeated: recordings that were heard again.
        cosines: mean of each recording's features to those of 30 s.
        seconds: for all recordings.
    """

    errors: int = 0
    words: int = 0
    retried: int = 0
    cosines: list[float] = field(default_factory=list)
    seconds: float = 0.0


def main() -> None:
    """Command line."""
    arguments = _arguments()
    torch.set_num_threads(cores())
    ways = _ways(arguments.model)
    rows = []
    for folders, own in ((arguments.texts, False), (arguments.own, True)):
        for folder in folders:
            recordings = spoken(folder, arguments.part, arguments.most)
            for way, tally in _tallies(ways, recordings, own, folder.name).items():
                rows.append([folder.name, str(len(recordings)), way, *_figures(tally)])
    print(f"\n{describe('cpu', _PACKAGES)}")
    show_markdown(
        f"{arguments.model.name}, transcripts without a draft but where it says so",
        ("recordings", "count", "window"),
        ("word error rate", "heard again", "cosine to 30 s", "seconds"),
        rows,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, help="Folder of a Whisper checkpoint.")
    for name, judge in (("texts", "the manifest's texts"), ("own", "the model's own in 30 s")):
        parser.add_argument(
            f"--{name}",
            type=Path,
            action="append",
            default=[],
            metavar="FOLDER",
            help=f"Folder of recordings, judged by {judge}; may be given several times.",
        )
    parser.add_argument("--part", default="", help="Take files alone that begin so.")
    parser.add_argument("--most", type=int, default=100, help="Recordings of each folder.")
    return parser.parse_args()


def _ways(folder: Path) -> dict[str, Run]:
    """The ways of hearing by name; the exact one first."""
    models = [
        WhisperSettings(
            key=str(window),
            type="whisper",
            model_id=str(folder),
            dtype="float32",
            language="en",
            encoder_window_s=window,
        )
        for window in (30.0, "auto")
    ]
    loader = Loader(Settings(models=tuple(models), device="cpu"))
    exact, auto = (loader.load(model) for model in models)

    def once(waveform: Waveform, _: str) -> Encoding:
        with mock.patch.object(WindowedEncoder, "_later", return_value=None):
            return _heard(auto, waveform, None)

    return {
        "30 s": lambda waveform, _: _heard(exact, waveform, None),
        "auto": lambda waveform, _: _heard(auto, waveform, None),
        "auto, heard once": once,
        "auto, with draft": lambda waveform, text: _heard(auto, waveform, text),
    }


def _heard(runner: Runner[Any], waveform: Waveform, text: str | None) -> Encoding:
    expected = None if text is None else runner.expected(text.capitalize())
    (encoding,) = runner.run([Utterance(runner.prepare(waveform), expected)])
    return encoding


def _tallies(
    ways: dict[str, Run], recordings: Sequence[Spoken], own: bool, name: str
) -> dict[str, Tally]:
    tallies = {way: Tally() for way in ways}
    for each in progress(recordings, name):
        exact: Encoding | None = None
        for run, tally in zip(ways.values(), tallies.values(), strict=True):
            started = time.perf_counter()
            encoding = run(each.waveform, each.text)
            tally.seconds += time.perf_counter() - started
            exact = exact or encoding
            right = words_of(exact.transcript.text if own else each.text)
            tally.errors += word_errors(words_of(encoding.transcript.text), right)
            tally.words += len(right)
            tally.retried += encoding.retried > 0
            tally.cosines.append(_cosine(encoding.features.frames, exact.features.frames))
    return tallies


def _figures(tally: Tally) -> list[str]:
    count = len(tally.cosines)
    return [
        f"{tally.errors / max(1, tally.words):.3f}",
        f"{tally.retried / count:.1%}",
        f"{np.mean(tally.cosines):.3f}",
        f"{tally.seconds:.1f}",
    ]


def _cosine(frames: FloatArray, like: FloatArray) -> float:
    lengths = np.linalg.norm(frames, axis=1) * np.linalg.norm(like, axis=1)
    return float(np.mean((frames * like).sum(axis=1) / lengths))


if __name__ == "__main__":
    main()
