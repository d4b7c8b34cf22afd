"""Alignment and scoring of a pair, against librosa's and numpy's dynamic time warping.

    python -m bench.scoring [--seconds S ...] [--repeats N]

Two recordings of one line, looped to one length, are compared on one core: by the phone encoder's
39 features a frame, and by 768 random ones as wide as those of a small Whisper. Printed are medians
in milliseconds; ratios are to our mean along the best path. Everyone is given features that are
ready, and computes the similarities of all pairs of frames itself: librosa 0.11 without and with
the same band, and a warp in plain numpy, diagonal by diagonal. Then what a request of the demo
takes in this process, and what the reasons of ``detail=full`` add to it. librosa is left out where
it is missing.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import torch

from audio_score_server.assembly import build_service
from audio_score_server.audio.decode import decode
from audio_score_server.domain import EncoderFeatures, FloatArray, Utterance
from audio_score_server.runners.registry import load_runner
from audio_score_server.service import ScoreService
from audio_score_server.settings import PhonesSettings, Settings
from audio_score_server.similarity.features import NormalizedFeatures, best_path, similarity
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from bench import options
from bench.demo import DEMO_CLIPS, DEMO_RECORDINGS
from bench.machine import describe
from bench.measure import median, ms, progress, show, timed
from bench.recordings import demo_sound, encode
from bench.spoken import LIMITS

_UID: Final = "RiverTales-s01e01"
_CID: Final = "part01"
_WIDE: Final = 768
_FRAME_RATE_HZ: Final = 50.0
_BAND: Final = 0.2
_THREADS: Final = "OPENBLAS_NUM_THREADS"
_PATIENCE_S: Final = 1.0
"""What takes longer is timed once."""
_MODEL: Final = PhonesSettings(key="phones", type="phones")
Pair = tuple[EncoderFeatures, EncoderFeatures]


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[5.0, 15.0, 60.0], help="Lengths."
    )
    parser.add_argument("--repeats", type=options.count, default=25, help="Calls that count, each.")
    arguments = parser.parse_args()
    _take_one_core()
    torch.set_num_threads(1)
    print(describe("cpu", ("numpy", "numba", "librosa")))
    pairs = [pair for seconds in arguments.seconds for pair in _pairs(seconds)]
    rows = [
        _row(name, seconds, pair, arguments.repeats)
        for name, seconds, pair in progress(pairs, "pairs")
    ]
    show(
        f"Milliseconds a pair on one core, median of {arguments.repeats}",
        ("features", "s", "frames with speech", "ours", "with preparation", "ours, path", *_PEERS),
        rows,
    )
    requests = [
        _request_row(seconds, arguments.repeats)
        for seconds in progress(arguments.seconds, "requests")
    ]
    show(
        f"Milliseconds a request in this process on one core, median of {arguments.repeats}",
        ("recording s", "four fields", "with reasons", "reasons add"),
        requests,
        left=0,
    )


def _take_one_core() -> None:
    """Start again with one thread for NumPy's products: two would wait for each other."""
    if os.environ.get(_THREADS) != "1":
        os.environ[_THREADS] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "bench.scoring", *sys.argv[1:]])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _pairs(seconds: float) -> Iterator[tuple[str, float, Pair]]:
    """By the phone encoder, and as wide as a small Whisper's."""
    runner = load_runner(_MODEL, Settings(models=(_MODEL,), device="cpu"))
    sounds = [encode(demo_sound(_recording(kind), seconds), "wav") for kind in ("right", "other")]
    one, other = (
        runner.run([Utterance(runner.prepare(decode(sound, LIMITS)), None)])[0].features
        for sound in sounds
    )
    yield "phones, 39", seconds, (one, other)
    chance = np.random.default_rng(0)
    frames = round(seconds * _FRAME_RATE_HZ)
    speech = np.ones(frames, np.float32)
    first, second = (
        EncoderFeatures(
            chance.standard_normal((frames, _WIDE)).astype(np.float32), speech, _FRAME_RATE_HZ
        )
        for _ in range(2)
    )
    yield f"random, {_WIDE}", seconds, (first, second)


def _recording(kind: str) -> Path:
    return next(iter(sorted(DEMO_RECORDINGS.glob(f"{_UID}_{_CID}_{kind}.*"))))


def _row(name: str, seconds: float, pair: Pair, repeats: int) -> list[str]:
    centre = np.zeros(1, np.float32)
    one, other = (NormalizedFeatures.of(features, centre) for features in pair)
    ours = _seconds(partial(similarity, one, other), repeats)
    prepared = _seconds(
        lambda: similarity(*(NormalizedFeatures.of(each, centre) for each in pair)), repeats
    )
    path = _seconds(partial(best_path, one, other), repeats)
    cells = [name, f"{seconds:g}", f"{len(one.places)} x {len(other.places)}"]
    cells += [ms(ours, 3), ms(prepared, 3), ms(path, 3)]
    for peer in _PEERS.values():
        if peer is not _numpy_warp and find_spec("librosa") is None:
            cells.append("-")
            continue
        theirs = _seconds(partial(peer, one.directions, other.directions), repeats)
        cells.append(f"{ms(theirs, 1)} ({theirs / ours:.0f} x)")
    return cells


def _seconds(action: Callable[[], object], repeats: int) -> float:
    (once,) = timed(action, 1)
    return once if once > _PATIENCE_S else median(timed(action, repeats, warm_ups=0))


def _librosa(rows: FloatArray, columns: FloatArray, banded: bool = False) -> float:
    """The cost of the best path: the same steps as ours, every frame weighing the same."""
    import librosa

    totals = librosa.sequence.dtw(
        C=1 - rows @ columns.T,
        weights_mul=np.array([2.0, 1.0, 1.0]),
        backtrack=False,
        global_constraints=banded,
        band_rad=_BAND,
    )
    return float(totals[-1, -1])


def _numpy_warp(rows: FloatArray, columns: FloatArray) -> float:
    """The cost of the best path; all cells of a diagonal at once, since none needs another."""
    costs = 1 - rows @ columns.T
    height, width = costs.shape
    before, last = np.full(height + 1, np.inf), np.full(height + 1, np.inf)
    for diagonal in range(height + width - 1):
        first, stop = max(0, diagonal - width + 1), min(height, diagonal + 1)
        places = np.arange(first, stop)
        cells = costs[places, diagonal - places]
        reached = np.minimum(before[first:stop] + cells, last[first:stop])
        reached = np.minimum(reached, last[first + 1 : stop + 1])
        now = np.full(height + 1, np.inf)
        now[first + 1 : stop + 1] = cells + (reached if diagonal else 0.0)
        before, last = last, now
    return float(last[height])


_PEERS: Final[dict[str, Callable[[FloatArray, FloatArray], float]]] = {
    "librosa": _librosa,
    "librosa, banded": partial(_librosa, banded=True),
    "numpy": _numpy_warp,
}


def _request_row(seconds: float, repeats: int) -> list[str]:
    """What a request takes without and with reasons, for a recording of so many seconds."""
    sound = encode(demo_sound(_recording("right"), seconds), "wav")
    with tempfile.TemporaryDirectory(prefix="bench-scoring-") as cache, asyncio.Runner() as loop:
        settings = Settings(
            models=(_MODEL,),
            video_clip_dir=DEMO_CLIPS,
            cache_dir=Path(cache),
            device="cpu",
            max_batch_wait_ms=0,
            canary_interval_s=0,
        )
        service = build_service(settings, Metrics())
        loop.run(service.start())

        def ask(detailed: bool) -> None:
            loop.run(_ask(service, sound, detailed))

        plain, full = (_seconds(partial(ask, detailed), repeats) for detailed in (False, True))
        loop.run(service.close())
    return [f"{seconds:g}", ms(plain, 1), ms(full, 1), ms(full - plain, 1)]


async def _ask(service: ScoreService, sound: bytes, detailed: bool) -> None:
    stages = Stages()
    await service.score(_UID, _CID, None, lambda: sound, stages, detailed=detailed)


if __name__ == "__main__":
    main()
