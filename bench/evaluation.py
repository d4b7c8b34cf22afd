"""What an evaluation's trials cost together, against one by one.

    python -m bench.evaluation FOLDER [--config FILE] [--limit N] [--recordings N]

The recordings of a manifest (docs/evaluation.md) are scored against their clips by the first model
of the settings: one trial after the other as requests would be, then all trials of a recording at
once as ``audio-score evaluate`` does it. Clips are encoded before. Printed are seconds of the clock
and processor seconds of this process, how many times as long the former way takes, and how far the
scores of both are apart.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import groupby
from pathlib import Path

from audio_score_server.assembly import build_service
from audio_score_server.evaluation.clips import clip_id, fill
from audio_score_server.evaluation.manifest import read_manifest
from audio_score_server.evaluation.plan import Trial, make_plan
from audio_score_server.pipelines.protocol import ScoreResult
from audio_score_server.service import ScoreService
from audio_score_server.settings import Settings, load_settings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from bench import options
from bench.demo import ROOT
from bench.measure import progress, show

Way = Callable[[ScoreService, list[Trial]], Awaitable[list[ScoreResult]]]


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    parser.add_argument("folder", type=Path, help="Recordings and their manifest.csv.")
    parser.add_argument("--config", type=Path, default=ROOT / "config.json", help="Settings.")
    parser.add_argument("--limit", type=int, default=100, help="Most impostors of a recording.")
    parser.add_argument("--recordings", type=options.count, default=8, help="Most recordings.")
    arguments = parser.parse_args()
    plan = make_plan(read_manifest(arguments.folder), None, False, arguments.limit)
    recordings = [
        list(group) for _, group in groupby(plan.trials, key=lambda trial: trial.recording)
    ][: arguments.recordings]
    with tempfile.TemporaryDirectory(prefix="bench-evaluation-") as name:
        clips = Path(name, "clips")
        clips.mkdir()
        fill(clips, plan.clips, None, True)
        flags = {"video_clip_dir": clips, "cache_dir": Path(name, "cache")}
        settings = load_settings(flags, {}, arguments.config)
        alone, together = asyncio.run(_measured(settings, recordings))
    apart = max(
        abs(one.score.audio - other.score.audio) + abs(one.score.text - other.score.text)
        for one, other in zip(alone[1], together[1], strict=True)
    )
    ratios = [one / other for one, other in zip(alone[0], together[0], strict=True)]
    rows = (("one by one", alone[0]), ("together", together[0]), ("ratio", ratios))
    show(
        f"{len(recordings)} recordings, {len(alone[1])} trials; scores at most {apart:.1e} apart",
        ("", "clock s", "processor s"),
        [[name, *(f"{figure:.1f}" for figure in figures)] for name, figures in rows],
    )


async def _measured(
    settings: Settings, recordings: list[list[Trial]]
) -> list[tuple[list[float], list[ScoreResult]]]:
    """Of either way, seconds of the clock and of processors, and the results of all trials."""
    service = build_service(settings, Metrics())
    try:
        await service.start()
        # Levels of clips and memories of words are there before either counts.
        await _one_by_one(service, recordings[0])
        return [await _cost(way, service, recordings) for way in (_one_by_one, _together)]
    finally:
        await service.close()


async def _one_by_one(service: ScoreService, trials: list[Trial]) -> list[ScoreResult]:
    ids = [clip_id(trial.clip) for trial in trials]
    upload = trials[0].path.read_bytes
    return [
        await service.score(each.uid, each.cid, None, upload, Stages(), detailed=True)
        for each in ids
    ]


async def _together(service: ScoreService, trials: list[Trial]) -> list[ScoreResult]:
    ids = [clip_id(trial.clip) for trial in trials]
    return await service.score_all(ids, None, trials[0].path.read_bytes)


async def _cost(
    way: Way, service: ScoreService, recordings: list[list[Trial]]
) -> tuple[list[float], list[ScoreResult]]:
    results: list[ScoreResult] = []
    clock, processor = time.monotonic(), time.process_time()
    for trials in progress(recordings, "recordings"):
        results += await way(service, trials)
    return [time.monotonic() - clock, time.process_time() - processor], results


if __name__ == "__main__":
    main()
