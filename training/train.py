"""Train the phone encoder.

    python -m training.train --corpus FOLDER [--corpus FOLDER ...] --output weights.safetensors

Every n-th speaker of each corpus is held out; the phone error rate on them is printed after each
epoch, and the weights (half precision) are written after each epoch, whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from rapidfuzz.distance import Levenshtein
from safetensors.torch import save_file
from torch.nn import functional
from tqdm import tqdm

from audio_score_server.language.phones import BLANK
from audio_score_server.runners.phones.network import PhoneNetwork, output_length
from training.corpus import Recording, read_corpus, split_by_speaker
from training.dataset import Batch, TrainingBatches, clean_batch, prepare, prepare_noises

_BATCH_SIZE: Final = 32
_PEAK_LEARNING_RATE: Final = 2e-3
_WEIGHT_DECAY: Final = 0.02
_DROP_RATE: Final = 0.08
_WARM_UP_SHARE: Final = 0.15
_LARGEST_GRADIENT: Final = 5.0
_HELD_OUT_EVERY: Final = 16


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=Path, action="append", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    training, held_out = _split(arguments.corpus)
    print(f"{len(training)} recordings to train on, {len(held_out)} held out")
    train(training, held_out, arguments.output, arguments.epochs, arguments.seed)


def _split(folders: list[Path]) -> tuple[list[Recording], list[Recording]]:
    splits = [split_by_speaker(read_corpus(folder), _HELD_OUT_EVERY) for folder in folders]
    return (
        [recording for training, _ in splits for recording in training],
        [recording for _, held_out in splits for recording in held_out],
    )


def train(
    training: list[Recording], held_out: list[Recording], output: Path, epochs: int, seed: int
) -> None:
    """Train from scratch with AdamW on a one-cycle schedule, in bfloat16 where it helps."""
    torch.manual_seed(seed)
    dataset = TrainingBatches(
        prepare(training, seed), prepare_noises(training, seed), _BATCH_SIZE, seed
    )
    tests = [
        clean_batch(list(chunk))
        for chunk in _chunks(sorted(held_out, key=lambda r: r.path.stat().st_size))
    ]
    network = PhoneNetwork(_DROP_RATE)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        _PEAK_LEARNING_RATE,
        total_steps=epochs * len(dataset),
        pct_start=_WARM_UP_SHARE,
    )
    for epoch in range(epochs):
        started = time.monotonic()
        dataset.epoch = epoch
        loss = _run_epoch(network, dataset, optimiser, schedule)
        save(network, output)
        error_rate = phone_error_rate(network, tests)
        seconds = time.monotonic() - started
        print(
            f"epoch {epoch + 1}/{epochs}: loss {loss:.3f}, "
            f"held-out phone error rate {error_rate:.3f}, {seconds:.0f} s",
            flush=True,
        )


def _chunks(recordings: list[Recording]) -> list[list[Recording]]:
    remaining = iter(recordings)
    return list(iter(lambda: list(islice(remaining, _BATCH_SIZE)), []))


def _run_epoch(
    network: PhoneNetwork,
    dataset: TrainingBatches,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    """Mean loss of one pass over the data."""
    network.train()
    total = 0.0
    for batch in tqdm(dataset, leave=False, unit="batch"):
        loss = _loss(network, batch)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        optimiser.step()
        schedule.step()
        total += loss.item()
    return total / len(dataset)


def _loss(network: PhoneNetwork, batch: Batch) -> torch.Tensor:
    """CTC loss a phone."""
    with torch.autocast("cpu", torch.bfloat16):
        log_probabilities = network(batch.mel, batch.lengths)
    losses = functional.ctc_loss(
        log_probabilities.transpose(0, 1),
        batch.phones,
        output_length(batch.lengths),
        batch.phone_counts,
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return losses.sum() / batch.phone_counts.sum().clamp_min(1)


@torch.inference_mode()
def phone_error_rate(network: PhoneNetwork, batches: list[Batch]) -> float:
    """Edits that turn the greedy CTC phones into those said, per phone said."""
    network.eval()
    edits = said = 0
    for batch in batches:
        best = network(batch.mel, batch.lengths).argmax(-1)
        truths = torch.split(batch.phones, batch.phone_counts.tolist())
        for row, length, truth in zip(best, output_length(batch.lengths), truths, strict=True):
            heard = [p for p in torch.unique_consecutive(row[:length]).tolist() if p != BLANK]
            edits += Levenshtein.distance(heard, truth.tolist())
            said += len(truth)
    return edits / said


def save(network: PhoneNetwork, output: Path) -> None:
    """Write the weights in half precision, whole or not at all."""
    partial = output.with_suffix(".partial")
    save_file({name: tensor.half() for name, tensor in network.state_dict().items()}, partial)
    os.replace(partial, output)


if __name__ == "__main__":
    main()
