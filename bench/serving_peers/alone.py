"""The work of a score without a server: what each part takes, and what comes out.

    python -m bench.serving_peers.alone FOLDER

Scores the recordings of a folder one by one and in full batches, and prints one JSON object. For
``bench.serving``, which knows from it what no server can be faster than.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from bench.demo import ids
from bench.measure import median
from bench.serving_peers.work import Work, given_settings

_ROUNDS: Final = 3
Item = TypeVar("Item")
Result = TypeVar("Result")


def main() -> None:
    """Command line."""
    settings = given_settings()
    paths = sorted(Path(sys.argv[1]).iterdir())
    print(json.dumps(_measured(Work(settings), paths, settings.max_batch_size)))


def _measured(work: Work, paths: list[Path], size: int) -> dict[str, Any]:
    uploads = [(*ids(path.name), path.read_bytes()) for path in paths]
    jobs = [work.prepare(*upload) for upload in uploads]
    utterances = [utterance for _, utterance in jobs]
    encodings = [work.run([utterance])[0] for utterance in utterances]
    pairs = [(job[0], encoding) for job, encoding in zip(jobs, encodings, strict=True)]
    batches = [utterances[at : at + size] for at in range(0, len(utterances) - size + 1, size)]
    names = [path.name for path in paths]
    scores = [work.answer(*pair)["sim_score"] for pair in pairs]
    return {
        "prepare": _costs(lambda upload: work.prepare(*upload), uploads),
        "run_alone": _costs(work.run, [[utterance] for utterance in utterances]),
        "run_full": _costs(work.run, batches),
        "compare": _costs(lambda pair: work.answer(*pair), pairs),
        "scores": dict(zip(names, scores, strict=True)),
    }


def _costs(part: Callable[[Item], Result], items: Iterable[Item]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one item: the median over rounds of the mean over items."""
    walls, cpus = [], []
    kept = list(items)
    for _ in range(_ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        for item in kept:
            part(item)
        walls.append((time.perf_counter() - wall) / len(kept))
        cpus.append((time.process_time() - cpu) / len(kept))
    return median(walls), median(cpus)


if __name__ == "__main__":
    main()
