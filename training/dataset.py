"""Training examples: mel powers of every recording in several conditions, augmented when drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from audio_score_server.domain import FloatArray
from audio_score_server.runners.phones.frontend import log_mel, mel_power
from training.augment import augmented
from training.corpus import Recording
from training.distort import recode, reverberate
from training.noise import make_noises

_NOISES: Final = 120
_SILENT_SHARE: Final = 0.03
"""Share of examples that hold noise alone and no phones, so that silence is not read as speech."""
_THREADS: Final = 2
_AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class Example:
    """A recording as the network trains on it.

    Attributes:
        conditions: log mel powers ``[frames, 64]`` in half precision: as recorded, in a room,
            through a codec.
        phones: output indices said.
    """

    conditions: tuple[torch.Tensor, ...]
    phones: torch.Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded log-mel ``[batch, frames, 64]`` with lengths, and phones end to end with lengths."""

    mel: torch.Tensor
    lengths: torch.Tensor
    phones: torch.Tensor
    phone_counts: torch.Tensor


def prepare(recordings: list[Recording], seed: int) -> list[Example]:
    """Mel powers of every recording as it is, reverberated and recoded."""

    def example(index: int) -> Example:
        chance = np.random.default_rng((seed, index))
        samples = recordings[index].samples()
        room = reverberate(samples, chance)
        versions = (samples, room, recode(room if chance.random() < 0.3 else samples, chance))
        return Example(
            tuple(_packed(version) for version in versions),
            torch.tensor(recordings[index].phones, dtype=torch.int64),
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        work = pool.map(example, range(len(recordings)))
        return list(tqdm(work, total=len(recordings), desc="preparing", unit="recording"))


def _packed(samples: FloatArray) -> torch.Tensor:
    return mel_power(torch.from_numpy(samples)).clamp_min(1e-10).log().half()


def prepare_noises(recordings: list[Recording], seed: int) -> list[torch.Tensor]:
    """Mel powers of made noises; a few recordings lend their voices to the babble."""
    chance = np.random.default_rng(seed)
    voices = [recordings[i].samples() for i in chance.integers(len(recordings), size=60)]
    return [mel_power(torch.from_numpy(noise)) for noise in make_noises(_NOISES, voices, chance)]


def clean_batch(recordings: list[Recording]) -> Batch:
    """Recordings as they are, for evaluation."""
    mels = [log_mel(torch.from_numpy(recording.samples())) for recording in recordings]
    return _batch(mels, [torch.tensor(recording.phones) for recording in recordings])


class TrainingBatches:
    """One epoch of augmented batches of like length, in random order."""

    def __init__(
        self, examples: list[Example], noises: list[torch.Tensor], batch_size: int, seed: int
    ) -> None:
        self.examples, self.noises = examples, noises
        self.batch_size, self.seed = batch_size, seed
        self.epoch = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.examples) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the current epoch; a thread makes the next ones while one is in use."""
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[Future[Batch]] = deque()
            for work in self._plan():
                waiting.append(pool.submit(work))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _plan(self) -> Iterator[Callable[[], Batch]]:
        chance = np.random.default_rng((self.seed, self.epoch))
        lengths = np.array([len(example.conditions[0]) for example in self.examples])
        order = np.argsort(lengths * chance.uniform(0.9, 1.1, len(lengths)))
        groups = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        for group in chance.permutation(len(groups)):
            yield partial(self._drawn, groups[group], chance)

    def _drawn(self, indices: NDArray[np.intp], chance: np.random.Generator) -> Batch:
        drawn = [self._draw(self.examples[index], chance) for index in indices]
        return _batch([mel for mel, _ in drawn], [phones for _, phones in drawn])

    def _draw(
        self, example: Example, chance: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if chance.random() < _SILENT_SHARE:
            noise = self.noises[chance.integers(len(self.noises))]
            start = int(chance.integers(500))
            power = noise[start : start + len(example.conditions[0])]
            return augmented(power, self.noises, chance), example.phones[:0]
        power = example.conditions[chance.integers(len(example.conditions))].float().exp()
        return augmented(power, self.noises, chance), example.phones


def _batch(mels: list[torch.Tensor], phones: list[torch.Tensor]) -> Batch:
    return Batch(
        torch.nn.utils.rnn.pad_sequence(mels, batch_first=True),
        torch.tensor([len(mel) for mel in mels]),
        torch.cat(phones),
        torch.tensor([len(sequence) for sequence in phones]),
    )
