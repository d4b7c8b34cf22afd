"""Scoring everything that is planned, through the same code as the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final, Never

from tqdm import tqdm

from audio_score_server.assembly import build_service
from audio_score_server.domain import ModelInfo
from audio_score_server.errors import (
    AudioError,
    BatchError,
    DetailUnsupported,
    DeviceMemoryError,
    ReferenceMissing,
    RemoteError,
    RemoteTimeout,
)
from audio_score_server.evaluation.clips import clip_id
from audio_score_server.evaluation.components import components
from audio_score_server.evaluation.plan import Plan, Trial
from audio_score_server.pipelines.protocol import ScoreResult, Upload
from audio_score_server.service import ScoreService
from audio_score_server.settings import Settings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages

_ONE_TRIALS_ERRORS: Final = (
    *(AudioError, BatchError, DeviceMemoryError, RemoteError, RemoteTimeout),
    OSError,
)
_PATIENCE_S: Final = 3600.0
_Trials = list[tuple[int, Trial]]


@dataclass(frozen=True, slots=True)
class Scored:
    """A trial and the numbers of its answer, by component."""

    trial: Trial
    components: dict[str, float]


@dataclass(slots=True)
class Run:
    """What one model made of the plan.

    Attributes:
        model: its key.
        info: where it was.
        scored: trials in the order of the plan.
        left_out: files that could not be used, with the reason.
        seconds: how long the trials took.
    """

    model: str
    info: ModelInfo
    scored: list[Scored] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


async def score_plan(settings: Settings, plan: Plan, clips: Path, cache: Path) -> list[Run]:
    """Score every trial with every model that can be loaded.

    Args:
        settings: the operator's.
        plan: what is to be scored.
        clips: folder of the plan's clips.
        cache: folder for what is made of them.

    Raises:
        NoModelError: no configured model could be loaded.
        NotReady: a model's device has failed.
    """
    service = build_service(_adapted(settings, clips, cache), Metrics())
    try:
        await service.start()
        # Not more than the server would admit, and enough for one batch to form while one runs.
        concurrency = min(settings.max_inflight, 2 * settings.max_batch_size)
        return [
            await _Scoring(service, Run(pipeline.key, pipeline.info), plan).finish(concurrency)
            for pipeline in service.models()
        ]
    finally:
        await service.close()


def _adapted(settings: Settings, clips: Path, cache: Path) -> Settings:
    """The operator's settings for these clips; nobody waits, and nothing of the cache goes."""
    return settings.model_copy(
        update={
            "video_clip_dir": clips,
            "cache_dir": cache,
            "disable_cache_flush": True,
            "canary_interval_s": 0.0,
            "request_timeout_s": _PATIENCE_S,
        }
    )


class _Scoring:
    """One model on its way through the plan."""

    def __init__(self, service: ScoreService, run: Run, plan: Plan) -> None:
        self._service = service
        self._run = run
        self._plan = plan
        self._found: dict[int, Scored] = {}

    async def finish(self, concurrency: int) -> Run:
        started = time.monotonic()
        count = len(self._plan.trials)
        with tqdm(total=count, desc=self._run.model, unit="trial", disable=None) as bar:
            waiting = _by_recording(self._plan.trials)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(concurrency):
                        tasks.create_task(self._work(waiting, bar))
            except ExceptionGroup as group:
                raise group.exceptions[0] from None
        self._run.seconds = time.monotonic() - started
        # A recording that failed once would be judged by half of its trials.
        trials = [self._found[place] for place in sorted(self._found)]
        self._run.scored = [
            each for each in trials if each.trial.recording not in self._run.left_out
        ]
        return self._run

    async def _work(self, waiting: Iterator[_Trials], bar: tqdm[Never]) -> None:
        for trials in waiting:
            together = await self._score_all(trials)
            for place, trial in trials:
                # Alone, each shows whether it is the one that failed.
                if not together and self._usable(trial):
                    await self._score(place, trial)
                bar.update()

    def _usable(self, trial: Trial) -> bool:
        return not {trial.recording, self._name(trial)} & self._run.left_out.keys()

    def _name(self, trial: Trial) -> str:
        return f"clip {self._plan.clips[trial.clip].name}"

    async def _score_all(self, trials: _Trials) -> bool:
        """Score the trials of one recording together; whether that could be done."""
        usable = {place: trial for place, trial in trials if self._usable(trial)}
        if not usable:
            return True
        ids = [clip_id(trial.clip) for trial in usable.values()]
        upload = trials[0][1].path.read_bytes
        try:
            results = await self._service.score_all(ids, self._run.model, upload)
        except (ReferenceMissing, DetailUnsupported, *_ONE_TRIALS_ERRORS):
            return False
        for (place, trial), result in zip(usable.items(), results, strict=True):
            self._found[place] = Scored(trial, components(result))
        return True

    async def _score(self, place: int, trial: Trial) -> None:
        uid, cid = clip_id(trial.clip).uid, clip_id(trial.clip).cid
        try:
            result = await self._judge(uid, cid, trial.path.read_bytes)
        except ReferenceMissing as error:
            # Told of a clip by the name that was made up for it.
            self._leave_out(self._name(trial), str(error).partition(": ")[2] or str(error))
        except _ONE_TRIALS_ERRORS as error:
            self._leave_out(trial.recording, str(error))
        else:
            self._found[place] = Scored(trial, components(result))

    async def _judge(self, uid: str, cid: str, upload: Upload) -> ScoreResult:
        """With reasons, where the model can tell them."""
        score = partial(self._service.score, uid, cid, self._run.model, upload)
        try:
            return await score(Stages(), detailed=True)
        except DetailUnsupported:
            return await score(Stages())

    def _leave_out(self, name: str, reason: str) -> None:
        self._run.left_out.setdefault(name, reason)


def _by_recording(trials: tuple[Trial, ...]) -> Iterator[_Trials]:
    """The trials of each recording with their places in the plan."""
    for _, group in groupby(enumerate(trials), key=lambda each: each[1].path):
        yield list(group)
