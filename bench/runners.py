"""Our Whisper and Higgs-Audio runners against what else could do their work, and the floor.

    python -m bench.runners [MODEL ...] [--untrained NAME,...] [--recordings FOLDER ...] [--most N]
                            [--batches N,...] [--repeats N] [--device DEVICE] [--work FOLDER]

MODEL is a folder with a trained checkpoint, also in CTranslate2's format; without any, the two that
``scripts/fetch_test_models`` fetches. ``--untrained`` takes true sizes whose weights cannot be had
here, made to say one sentence; large-v3-turbo and higgs-audio want 16 GiB of memory, 8 GB of disk,
and minutes for each batch. A folder of recordings has a ``manifest.csv`` with columns ``file`` and
``text``; without one, the demo's right readings are taken.

Timed is the way from samples to what a score needs: encoder features in this process's memory and a
transcript by greedy decoding:

- ours with the right text expected, as for most recordings that are scored; with one word wrong;
  without any; in windows of 30 s; and in float32;
- faster-whisper (CTranslate2) in float32 and in eight bits, with windows of 30 s, as it comes;
- transformers with care, in our dtype and with one encoder pass; and as one writes it down first,
  in float32, the encoder for the features and ``generate`` for the text;
- the floor: the operations counted, at the rate of large matrix products in our dtype.

Everything may use every core; the contenders take turns, so that a noisy minute hits all alike.
What is missing (``pip install -r requirements-bench.txt``) is left out. Printed is a Markdown
table: milliseconds a recording, decoder passes for the first batch, how many times as long as ours
with the right text and as the floor that is, the word error rate, and one minus the mean cosine of
features to those of transformers in float32.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tqdm import tqdm
from transformers.utils import logging

from audio_score_server.domain import FloatArray
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.device import choose_device
from audio_score_server.runners.precision import choose_precision
from bench import options
from bench.checkpoints import SENTENCE, SIZES, higgs_checkpoint, whisper_checkpoint
from bench.contenders import Model, Outcome, Work, faster_whisper, ours, passes_of, transformers
from bench.floor import decoder_operations, encoder_operations, multiplication_rate
from bench.machine import describe
from bench.measure import cores, median, ms, progress, show, timed
from bench.spoken import Spoken, demo_spoken, spoken, word_errors, words_of
from training.kokoro import models_folder

_FETCHED: Final = ("whisper-tiny.en", "whisper-base")
_HIGGS: Final = "higgs-audio"
_TRANSCRIBER: Final = "large-v3-turbo"
_PACKAGES: Final = ("torch", "transformers", "ctranslate2", "faster-whisper")


@dataclass(slots=True)
class Run:
    """A contender with one batch size.

    Attributes:
        work: what is timed.
        outcome: of all recordings.
        passes: of the decoder for the first batch; None where they are not counted.
        seconds: for a recording, of each repeat.
    """

    work: Work
    outcome: Outcome
    passes: int | None
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Contenders:
    """All that can run one model.

    Attributes:
        works: by name; ours as it comes is the first, plain transformers in float32 the last.
        configs: of the encoder and of the decoder.
    """

    works: dict[str, Work]
    configs: tuple[Any, Any]

    @classmethod
    def of(cls, model: Model, dtype: torch.dtype) -> Contenders:
        """Load them; those that cannot be had are told."""
        works = ours(model)
        for compute_type in () if model.tower else ("float32", "int8"):
            name = f"faster-whisper, {compute_type}"
            try:
                works[name] = faster_whisper(model, compute_type)
            except (ImportError, RuntimeError, ValueError) as error:
                tqdm.write(f"{name} is left out: {error}.", file=sys.stderr)
        if model.tower is None:
            _, work = transformers(model, dtype, careful=True)
            works[f"transformers, {_name(dtype)}: encoder once"] = work
        config, work = transformers(model, torch.float32, careful=False)
        works["transformers, float32: encoder, generate"] = work
        tower = model.load_tower(torch.float32).config if model.tower else config
        return cls(works, (tower, config))

    def floor(self, model: Model, recordings: Sequence[Spoken]) -> float:
        """Floating-point operations of a recording on average."""
        encoder, decoder = self.configs
        total = 0.0
        for each in recordings:
            heard, tokens = each.waveform.seconds, len(model.tokenizer(each.text).input_ids)
            total += encoder_operations(encoder, heard)
            total += decoder_operations(decoder, heard, tokens)
            if encoder is not decoder:
                total += encoder_operations(decoder, heard)
        return total / len(recordings)


def main() -> None:
    """Command line."""
    arguments = _arguments()
    torch.set_num_threads(cores())
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        dtype = choose_precision("auto", choose_device(arguments.device)).dtype
    except ModelLoadError as error:
        sys.exit(f"{error}: leave --device out.")
    rate = multiplication_rate(arguments.device, dtype)
    rows = []
    with _work(arguments.work) as folder:
        for load in progress(_models(arguments, Path(folder)), "models"):
            rows += _measured(load(), dtype, rate, arguments)
    print(f"\n{describe(arguments.device, _PACKAGES)}")
    print(f"Large matrix products: {rate / 1e9:,.0f} GFLOP/s in {_name(dtype)}.")
    recordings = _recordings(arguments)
    seconds = sum(each.waveform.seconds for each in recordings) / len(recordings)
    times = ("ms", "lowest", "highest", "decoder passes", "/ ours", "/ floor")
    show(
        f"Milliseconds a recording, {len(recordings)} of {seconds:.1f} s on average, median of "
        f"{arguments.repeats}",
        ("model", "batch", "contender", *times, "word error rate", "features apart"),
        rows,
        left=3,
    )


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("models", type=Path, nargs="*", help="Folders of trained checkpoints.")
    names = (*SIZES, _HIGGS)
    add("--untrained", type=options.names(names), help=f"Of {', '.join(names)}.")
    add("--recordings", type=Path, nargs="+", default=[], help="Folders of recordings.")
    add("--most", type=options.count, default=24, help="Recordings of each folder.")
    add("--batches", type=options.counts, default=[1, 8], help="Recordings at once.")
    add("--repeats", type=options.count, default=3, help="Runs that count, each.")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="For everything.")
    add("--work", type=Path, help="Folder to keep untrained checkpoints in.")
    return parser.parse_args()


def _work(folder: Path | None) -> nullcontext[str] | tempfile.TemporaryDirectory[str]:
    return nullcontext(str(folder)) if folder else tempfile.TemporaryDirectory(prefix="bench-")


def _models(arguments: argparse.Namespace, work: Path) -> list[Callable[[], Model]]:
    """Each is made when its turn comes."""
    known = {"device": arguments.device, "most": max(arguments.batches)}
    if arguments.untrained:
        return [partial(_untrained, name, work, known) for name in arguments.untrained]
    folders = arguments.models or [models_folder() / name for name in _FETCHED]
    return [partial(Model, folder.name, folder, None, **known) for folder in folders]


def _untrained(name: str, work: Path, known: dict[str, Any]) -> Model:
    tower = higgs_checkpoint(work) if name == _HIGGS else None
    whisper = whisper_checkpoint(_TRANSCRIBER if tower else name, work)
    return Model(f"{name}, untrained", whisper, tower, **known)


def _recordings(arguments: argparse.Namespace) -> list[Spoken]:
    folders = arguments.recordings
    chosen = [each for folder in folders for each in spoken(folder, arguments.most)]
    chosen = chosen or demo_spoken()[: arguments.most]
    if arguments.untrained:
        return [Spoken(each.waveform, SENTENCE) for each in chosen]
    return chosen


def _measured(
    model: Model, dtype: torch.dtype, rate: float, arguments: argparse.Namespace
) -> list[list[str]]:
    """A row for each batch size and contender."""
    _tidy()
    recordings = _recordings(arguments)
    contenders = Contenders.of(model, dtype)
    floor = contenders.floor(model, recordings) / rate
    rows = []
    for size in arguments.batches:
        batches = [recordings[at : at + size] for at in range(0, len(recordings), size)]
        runs = {name: _first(name, work, batches) for name, work in contenders.works.items()}
        turns = [run for _ in range(arguments.repeats) for run in runs.values()]
        for run in progress(turns, f"batches of {size}"):
            (took,) = timed(partial(_all, run.work, batches), repeats=1, warm_ups=0)
            run.seconds.append(took / len(recordings))
        rows += [[model.name, str(size), *row] for row in _rows(runs, recordings, floor)]
    return rows


def _rows(runs: dict[str, Run], recordings: Sequence[Spoken], floor: float) -> list[list[str]]:
    fastest = median(next(iter(runs.values())).seconds)
    reference = list(runs.values())[-1].outcome.features
    rows = [["floor", ms(floor, 1), "", "", "", f"{floor / fastest:.2f}", "1.0", "", ""]]
    for name, run in runs.items():
        middle = median(run.seconds)
        apart = np.mean(list(map(_apart, run.outcome.features, reference)))
        rows.append(
            [
                name,
                *(ms(each, 1) for each in (middle, min(run.seconds), max(run.seconds))),
                "" if run.passes is None else str(run.passes),
                f"{middle / fastest:.2f}",
                f"{middle / floor:.1f}",
                f"{_error_rate(run.outcome.texts, recordings):.3f}",
                f"{apart:.1e}",
            ]
        )
    return rows


def _first(name: str, work: Work, batches: Sequence[Sequence[Spoken]]) -> Run:
    """What comes of it; a contender is warmed up by the way."""
    passes = passes_of(partial(work, batches[0])) if name.startswith("ours") else None
    return Run(work, _all(work, batches), passes)


def _all(work: Work, batches: Sequence[Sequence[Spoken]]) -> Outcome:
    outcomes = [work(batch) for batch in batches]
    features = [each for outcome in outcomes for each in outcome.features]
    return Outcome(features, [text for outcome in outcomes for text in outcome.texts])


def _error_rate(texts: Sequence[str], recordings: Sequence[Spoken]) -> float:
    """Of all words."""
    right = [words_of(each.text) for each in recordings]
    errors = sum(
        word_errors(words_of(text), words) for text, words in zip(texts, right, strict=True)
    )
    return errors / sum(map(len, right))


def _apart(frames: FloatArray, like: FloatArray) -> float:
    """One minus the mean cosine of frames, as far as both go."""
    own, other = (each[: min(len(frames), len(like))].astype(np.float64) for each in (frames, like))
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(other, axis=1)
    return float(1 - np.mean((own * other).sum(axis=1) / lengths))


def _tidy() -> None:
    """Let go of the last model's memory."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    main()
