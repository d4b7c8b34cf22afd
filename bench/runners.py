"""Our Whisper and Higgs-Audio runners against others that could do their work, and the floor.

    python -m bench.runners [--models NAME,...] [--batches N,...] [--repeats N] [--device DEVICE]
                            [--work FOLDER] [--tokenizer FOLDER]

Recordings of five seconds, with transcripts of fourteen tokens. Checkpoints are of the true sizes,
untrained, and made to say one sentence, so that all contenders write the same, which is checked.
Timed is the way of a batch from log-mel features to encoder features in this process's memory and
to text:

- ours with the right draft, as for most recordings that are scored, with a draft that is wrong in
  one word, and without one (on CUDA ours makes the log-mel features too, which costs it time);
- transformers as one writes it down, in float32, the encoder for the features and ``generate`` for
  the text; and with care, in our dtype and with one encoder pass;
- faster-whisper (CTranslate2) as it comes and in eight bits, with one encoder pass;
- the floor: the operations counted, at the rate of large matrix products in our dtype.

Everything may use every core. Printed are Markdown tables: medians, lowest and highest, decoder
passes of a batch, and how many times as long as ours with the right draft and as the floor each
takes; and how far our features are from those of transformers in float32.

large-v3-turbo and higgs-audio want 16 GiB of memory and 8 GB of disk, and on a few cores minutes
for each batch. ``--work`` keeps the checkpoints for the next time. ``pip install -r
requirements-bench.txt`` brings faster-whisper, which is left out where it is missing.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from tqdm import tqdm

from audio_score_server.audio.resample import resample
from audio_score_server.domain import FloatArray
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.device import choose_device
from audio_score_server.runners.precision import choose_precision
from audio_score_server.settings.model import Dtype
from bench.demo import DEMO_RECORDINGS
from bench.entries import NAMES, Entry, make_entry
from bench.floor import multiplication_rate
from bench.machine import describe
from bench.markdown import show_markdown
from bench.measure import cores, median, ms, progress, timed
from bench.ours import load_contenders
from bench.peers import RATE, Contender, LeftOut, Outcome, Work
from bench.recordings import demo_sound
from bench.tokens import SENTENCE, SENTENCE_TOKENS, byte_pairs

_SECONDS: Final = 5.0
_COMPARED: Final = 4
"""Recordings whose features are compared."""
_COMPARED_DTYPES: Final[dict[str, Sequence[Dtype]]] = {
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "bfloat16", "float16"),
}
_PACKAGES: Final = ("torch", "transformers", "ctranslate2", "faster-whisper")

Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender with one batch.

    Attributes:
        name: of the contender.
        seconds: of each repeat.
        passes: of the decoder; None where they are not counted.
    """

    name: str
    seconds: list[float]
    passes: int | None


class Measurement:
    """What is the same for all models.

    Attributes:
        dtype: that our runners take on this device.
        rate: floating-point operations a second in large matrix products of it.
    """

    def __init__(self, device: str, batches: Sequence[int], repeats: int) -> None:
        self.dtype = choose_precision("auto", choose_device(device)).dtype
        self.rate = multiplication_rate(device, self.dtype)
        self._device = device
        self._batches = batches
        self._repeats = repeats
        self._recordings = _recordings(max(*batches, _COMPARED))

    def measure(self, entry: Entry) -> tuple[Rows, Rows]:
        """Rows of the table of times, and of that of deviations."""
        ours = self._ours(entry, "auto")
        peers = [contender for load in entry.peers for contender in _peer(load)]
        times: Rows = []
        for batch in self._batches:
            times += self._rows(entry, batch, self._timings([*ours, *peers], batch))
        reference = self._outcome(peers[0]).features
        del ours, peers
        return times, self._deviations(entry, reference)

    def _ours(self, entry: Entry, dtype: Dtype) -> list[Contender]:
        return load_contenders(entry.ours(dtype), self._device, max(*self._batches, _COMPARED))

    def _timings(self, contenders: list[Contender], batch: int) -> list[Timing]:
        """The contenders take turns, so that a noisy minute hits all alike."""
        works = [contender.ready(self._recordings[:batch]) for contender in contenders]
        timings = [
            Timing(contender.name, [], _passes(contender, work))
            for contender, work in zip(contenders, works, strict=True)
        ]
        turns = [pair for _ in range(self._repeats) for pair in zip(timings, works, strict=True)]
        for timing, work in progress(turns, f"batches of {batch}"):
            timing.seconds.extend(timed(work, repeats=1, warm_ups=0))
        return timings

    def _outcome(self, contender: Contender) -> Outcome:
        return _checked(contender, contender.ready(self._recordings[:_COMPARED]))

    def _deviations(self, entry: Entry, reference: Sequence[FloatArray]) -> Rows:
        """How far our features are from those of plain transformers, by dtype."""
        rows = []
        for dtype in progress(_COMPARED_DTYPES[self._device], "features"):
            _tidy()
            features = self._outcome(self._ours(entry, dtype)[0]).features
            apart = np.concatenate(list(map(_deviation, features, reference)))
            figures = [f"{apart.mean():.1e}", f"{apart.max():.1e}", str(len(apart))]
            rows.append([entry.name, dtype, *figures])
        return rows

    def _rows(self, entry: Entry, batch: int, timings: list[Timing]) -> Iterator[list[str]]:
        """A row for the floor and for each contender, the first of which is ours."""
        floor = batch * entry.operations / self.rate
        ours = median(timings[0].seconds)
        for timing in (Timing("floor", [floor], None), *timings):
            middle = median(timing.seconds)
            span = (middle, min(timing.seconds), max(timing.seconds))
            yield [
                entry.name,
                str(batch),
                timing.name,
                *(ms(seconds, 1) for seconds in span),
                "" if timing.passes is None else str(timing.passes),
                f"{middle / ours:.2f}",
                f"{middle / floor:.1f}",
            ]


def main() -> None:
    """Command line."""
    arguments = _arguments()
    torch.set_num_threads(cores())
    _hush()
    pairs = byte_pairs(arguments.tokenizer)
    try:
        measurement = Measurement(arguments.device, arguments.batches, arguments.repeats)
    except ModelLoadError as error:
        sys.exit(f"{error}: leave --device out.")
    times: Rows = []
    deviations: Rows = []
    with _work(arguments.work) as folder:
        for name in progress(arguments.models, "models"):
            entry = make_entry(name, Path(folder), pairs, arguments.device, measurement.dtype)
            for table, rows in zip((times, deviations), measurement.measure(entry), strict=True):
                table += rows
            _tidy()
    _show(measurement, arguments.device, arguments.repeats, times, deviations)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--models",
        type=_names,
        default=["tiny", "small"],
        help=f"Models, comma separated, of {', '.join(NAMES)}.",
    )
    parser.add_argument(
        "--batches", type=_counts, default=[1, 8], help="Recordings at once, comma separated."
    )
    parser.add_argument("--repeats", type=_count, default=5, help="Runs that count, each.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="For everything.")
    parser.add_argument("--work", type=Path, help="Folder to keep checkpoints in.")
    parser.add_argument(
        "--tokenizer", type=Path, help="Folder with Whisper's tokenizer; one is made up without."
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(NAMES)}")
    return names


def _counts(text: str) -> list[int]:
    return [_count(word) for word in text.split(",")]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _work(folder: Path | None) -> nullcontext[str] | tempfile.TemporaryDirectory[str]:
    if folder is None:
        return tempfile.TemporaryDirectory(prefix="bench-runners-")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"{folder} cannot be made ({error}): name another folder with --work.")
    return nullcontext(str(folder))


def _recordings(count: int) -> list[FloatArray]:
    """Readings of the demo, looped or cut to one length, float32 ``[samples]``."""
    paths = sorted(DEMO_RECORDINGS.glob("*_*_*.*"))
    return [
        resample(demo_sound(paths[index % len(paths)], _SECONDS), RATE).samples
        for index in range(count)
    ]


def _peer(load: Callable[[], Contender]) -> list[Contender]:
    try:
        return [load()]
    except LeftOut as reason:
        tqdm.write(f"A contender is left out. {reason}", file=sys.stderr)
        return []


def _passes(contender: Contender, work: Work) -> int | None:
    """Check a contender, which warms it up too, and count its decoder passes where it can."""
    _checked(contender, work)
    return contender.passes(work) if contender.passes else None


def _checked(contender: Contender, work: Work) -> Outcome:
    """Contenders that write different texts are not doing the same work."""
    outcome = work()
    for text in outcome.texts:
        if text.strip() != SENTENCE:
            raise RuntimeError(f"{contender.name} wrote {text!r} instead of {SENTENCE!r}")
    return outcome


def _deviation(ours: FloatArray, reference: FloatArray) -> FloatArray:
    """One minus the cosine of each of our frames and its like."""
    own, like = ours.astype(np.float64), reference[: len(ours)].astype(np.float64)
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(like, axis=1)
    apart: FloatArray = (1 - (own * like).sum(axis=1) / lengths).astype(np.float32)
    return apart


def _tidy() -> None:
    """Let go of a contender's memory before the next one is loaded."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _hush() -> None:
    """Keep the libraries' own bars and hints out of ours."""
    logs: Any = transformers.utils.logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()


def _show(
    measurement: Measurement, device: str, repeats: int, times: Rows, deviations: Rows
) -> None:
    dtype = str(measurement.dtype).removeprefix("torch.")
    print(f"\n{describe(device, _PACKAGES)}")
    print(f"Large matrix products: {measurement.rate / 1e9:,.0f} GFLOP/s in {dtype}.")
    show_markdown(
        f"Milliseconds for a batch of {_SECONDS:g} s recordings with transcripts of "
        f"{SENTENCE_TOKENS} tokens, median of {repeats}",
        ("model", "batch", "contender"),
        ("ms", "lowest", "highest", "decoder passes", "/ ours", "/ floor"),
        times,
    )
    show_markdown(
        "Our features against those of transformers in float32: one minus the cosine of frames",
        ("model", "dtype"),
        ("mean", "largest", "frames"),
        deviations,
    )


if __name__ == "__main__":
    main()
