"""Trained Whisper checkpoints on people's recordings: ours against what else could do the work.

    python -m bench.trained [MODEL ...] --recordings FOLDER [--recordings FOLDER]
                            [--most N] [--batches N,...] [--repeats N]

MODEL is a folder in CTranslate2's format; without one, the two that ``scripts/fetch_test_models``
fetches. A folder of recordings has a ``manifest.csv`` with columns ``file`` and ``text``.

Timed is the way from samples to what a score needs: encoder features in this process's memory, and
a transcript by greedy decoding. Ours is told the text that should be said, as for a score; with
``no draft`` it is not. faster-whisper has its windows of 30 s, as it comes; transformers does what
one would write down first, an encoder pass for the features and ``generate`` for the text.
Everything may use every core, and the contenders take turns, so that a noisy minute hits all alike.

Printed is a Markdown table for each model: milliseconds a recording (median, lowest and highest of
the repeats), how many times as long as ours that is, and the word error rate.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers import AutoTokenizer, WhisperFeatureExtractor

from audio_score_server.domain import Utterance
from audio_score_server.runners.registry import load_runner
from audio_score_server.runners.whisper.checkpoint import load_model
from audio_score_server.runners.whisper.vocabulary import Vocabulary
from audio_score_server.settings import Settings, WhisperSettings
from audio_score_server.settings.model import Dtype
from bench.machine import describe
from bench.markdown import show_markdown
from bench.measure import cores, median, ms, progress, timed
from bench.spoken import RATE, Spoken, spoken, word_errors, words_of
from training.kokoro import models_folder

_FETCHED: Final = ("whisper-tiny.en", "whisper-base")
_PACKAGES: Final = ("torch", "transformers", "ctranslate2", "faster-whisper")
_MOST_TOKENS: Final = 224
_ENGLISH: Final = "en"

Work = Callable[[Sequence[Spoken]], list[str]]
"""Makes features and transcripts of a batch; gives the latter."""


def main() -> None:
    """Command line."""
    arguments = _arguments()
    torch.set_num_threads(cores())
    models = arguments.models or [models_folder() / name for name in _FETCHED]
    recordings = [
        each for folder in arguments.recordings for each in spoken(folder, "", arguments.most)
    ]
    seconds = sum(each.waveform.seconds for each in recordings) / len(recordings)
    rows = [
        [model.name, *row]
        for model in progress(models, "models")
        for row in _rows(_works(model), recordings, arguments.batches, arguments.repeats)
    ]
    print(f"\n{describe('cpu', _PACKAGES)}")
    show_markdown(
        f"Milliseconds a recording, {len(recordings)} of {seconds:.1f} s on average, median of "
        f"{arguments.repeats}",
        ("model", "batch", "contender"),
        ("ms", "lowest", "highest", "/ ours", "word error rate"),
        rows,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", type=Path, nargs="*", help="Folders in CTranslate2's format.")
    parser.add_argument(
        "--recordings", type=Path, action="append", required=True, help="Folder of recordings."
    )
    parser.add_argument("--most", type=int, default=24, help="Recordings of each folder.")
    parser.add_argument(
        "--batches",
        type=lambda text: [int(word) for word in text.split(",")],
        default=[1, 8],
        help="Recordings at once, comma separated.",
    )
    parser.add_argument("--repeats", type=int, default=3, help="Runs that count, each.")
    return parser.parse_args()


def _rows(
    works: dict[str, Work], recordings: Sequence[Spoken], batches: Sequence[int], repeats: int
) -> list[list[str]]:
    """A row for each batch size and contender; ours, the first, is what all are divided by."""
    rows = []
    for size in batches:
        batch = [recordings[first : first + size] for first in range(0, len(recordings), size)]
        seconds: dict[str, list[float]] = {name: [] for name in works}
        errors = {name: _error_rate(work, batch) for name, work in works.items()}
        turns = [name for _ in range(repeats) for name in works]
        for name in progress(turns, f"batches of {size}"):
            work = works[name]
            (took,) = timed(lambda: [work(each) for each in batch], repeats=1, warm_ups=0)  # noqa: B023
            seconds[name].append(took / len(recordings))
        ours = median(next(iter(seconds.values())))
        for name, times in seconds.items():
            span = (median(times), min(times), max(times))
            figures = [*(ms(each, 1) for each in span), f"{span[0] / ours:.2f}"]
            rows.append([str(size), name, *figures, f"{errors[name]:.3f}"])
    return rows


def _error_rate(work: Work, batches: Sequence[Sequence[Spoken]]) -> float:
    """Of all words; a contender is warmed up by the way."""
    errors = words = 0
    for batch in batches:
        for written, each in zip(work(batch), batch, strict=True):
            right = words_of(each.text)
            errors += word_errors(words_of(written), right)
            words += len(right)
    return errors / words


def _works(model: Path) -> dict[str, Work]:
    """The contenders by name; ours as it comes is the first."""
    works: dict[str, Work] = {}
    for dtype, window, draft in (
        ("auto", "auto", True),
        ("auto", "auto", False),
        ("auto", 30.0, True),
        ("float32", "auto", True),
    ):
        name, work = _ours(model, dtype, window, draft)  # type: ignore[arg-type]
        works.setdefault(name, work)
    for compute_type in ("float32", "int8"):
        works[f"faster-whisper, {compute_type}"] = _faster_whisper(model, compute_type)
    works["transformers, float32: encoder, generate"] = _transformers(model)
    return works


def _ours(folder: Path, dtype: Dtype, window: float | str, draft: bool) -> tuple[str, Work]:
    model = WhisperSettings(
        key="ours",
        type="whisper",
        model_id=str(folder),
        dtype=dtype,
        language=_ENGLISH,
        encoder_window_s=window,
    )
    runner = load_runner(model, Settings(models=(model,), device="cpu"))
    runner.warm_up()

    def work(batch: Sequence[Spoken]) -> list[str]:
        utterances = [
            Utterance(
                runner.prepare(each.waveform),
                # As in a text file, not in capitals.
                runner.expected(each.text.capitalize()) if draft else None,
            )
            for each in batch
        ]
        return [encoding.transcript.text for encoding in runner.run(utterances)]

    windows = "" if window == "auto" else f", {window:g} s"
    return f"ours, {runner.info.dtype}{windows}{'' if draft else ', no draft'}", work


def _faster_whisper(folder: Path, compute_type: str) -> Work:
    import ctranslate2
    from faster_whisper import WhisperModel
    from faster_whisper.audio import pad_or_trim

    ctranslate2.set_log_level(logging.ERROR)
    whisper = WhisperModel(
        str(folder), device="cpu", compute_type=compute_type, cpu_threads=cores()
    )
    known = [f"<|{_ENGLISH}|>", "<|transcribe|>"] if whisper.model.is_multilingual else []
    prompt = ["<|startoftranscript|>", *known, "<|notimestamps|>"]

    def work(batch: Sequence[Spoken]) -> list[str]:
        features = np.stack(
            [pad_or_trim(whisper.feature_extractor(each.waveform.samples)) for each in batch]
        )
        heard = whisper.encode(features)
        results = whisper.model.generate(heard, [prompt] * len(batch), beam_size=1)
        np.asarray(heard)
        return [whisper.hf_tokenizer.decode(result.sequences_ids[0]) for result in results]

    return work


def _transformers(folder: Path) -> Work:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = load_model(folder, tokenizer, torch.float32)
    whisper: Any = WhisperFeatureExtractor
    extractor = whisper(feature_size=model.config.num_mel_bins)
    given: dict[str, Any] = {"max_new_tokens": _MOST_TOKENS}
    if Vocabulary(tokenizer, model.generation_config).languages:
        given |= {"language": _ENGLISH, "task": "transcribe"}

    @torch.inference_mode()
    def work(batch: Sequence[Spoken]) -> list[str]:
        sounds = [each.waveform.samples for each in batch]
        features = extractor(sounds, sampling_rate=RATE, return_tensors="pt").input_features
        model.get_encoder()(features).last_hidden_state.numpy()
        tokens = model.generate(features, **given)
        texts: list[str] = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts

    return work


if __name__ == "__main__":
    main()
