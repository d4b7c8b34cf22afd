"""The work of a score without a server: what each part takes, and what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_score_server.settings import Settings
from bench.demo import ids
from bench.measure import cores, median, ms, show
from bench.serving_peers.work import Work

_ROUNDS: Final = 3
_DECODED, _PREPARED = "decode", "decode and features"
_ALONE, _FULL, _COMPARED = "run, alone", "run, full batch", "compare"


@dataclass(frozen=True, slots=True)
class Alone:
    """What a recording takes without a server, and what limits servers.

    Attributes:
        parts: wall-clock and CPU seconds by the name of the part; of the full batch, all of it.
        size: of a full batch.
        scores: of the recordings by their names.
    """

    parts: dict[str, tuple[float, float]]
    size: int
    scores: dict[str, float]

    @property
    def service_s(self) -> float:
        """Of a recording alone, from its bytes to its score."""
        return sum(self.parts[part][0] for part in (_PREPARED, _ALONE, _COMPARED))

    @property
    def cpu_s(self) -> float:
        """CPU seconds of that."""
        return sum(self.parts[part][1] for part in (_PREPARED, _ALONE, _COMPARED))

    @property
    def limit(self) -> float:
        """Scores a second with full batches: what the device allows, or the cores if less."""
        batch_s, batch_cpu_s = self.parts[_FULL]
        each = self.parts[_PREPARED][1] + batch_cpu_s / self.size + self.parts[_COMPARED][1]
        return min(self.size / batch_s, cores() / each)

    def show(self, name: str) -> None:
        """Print a table of the parts."""
        sizes = {part: self.size if part == _FULL else 1 for part in self.parts}
        show(
            f"{name}: the work without a server, milliseconds a recording; full batches are of "
            f"{self.size}; limit {self.limit:.1f} scores/s",
            ("part", "ms", "CPU ms"),
            [
                [part, *(ms(each / sizes[part]) for each in seconds)]
                for part, seconds in self.parts.items()
            ],
        )


def measured(settings: Settings, recordings: Path) -> Alone:
    """Score the recordings of a folder in this process, one by one and in full batches."""
    work, size = Work(settings), settings.max_batch_size
    paths = sorted(recordings.iterdir())
    uploads = [(*ids(path.name), path.read_bytes()) for path in paths]
    jobs = [work.prepare(*upload) for upload in uploads]
    utterances = [utterance for _, utterance in jobs]
    alone = [[utterance] for utterance in utterances]
    batches = [utterances[at : at + size] for at in range(0, len(utterances) - size + 1, size)]
    pairs = [(task, work.run([utterance])[0]) for task, utterance in jobs]
    parts = {
        _DECODED: _costs(lambda upload: work.decode(upload[2]), uploads),
        _PREPARED: _costs(lambda upload: work.prepare(*upload), uploads),
        _ALONE: _costs(work.run, alone),
        _FULL: _costs(work.run, batches),
        _COMPARED: _costs(lambda pair: work.answer(*pair), pairs),
    }
    scores = [work.answer(*pair)["sim_score"] for pair in pairs]
    return Alone(parts, size, dict(zip([path.name for path in paths], scores, strict=True)))


def _costs(part: Callable[[Any], object], items: Sequence[Any]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one item: the median over rounds of the mean over items."""
    walls, cpus = [], []
    for _ in range(_ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        for item in items:
            part(item)
        walls.append((time.perf_counter() - wall) / len(items))
        cpus.append((time.process_time() - cpu) / len(items))
    return median(walls), median(cpus)
