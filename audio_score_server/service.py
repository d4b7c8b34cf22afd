"""What the server does, free of HTTP: start, score, tell how it is, stop."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from audio_score_server.errors import (
    NoModelError,
    NotReady,
    QueueFull,
    RequestTimeout,
    Unexplained,
    UnknownModel,
    shortened,
)
from audio_score_server.pipelines.canary import Endurance
from audio_score_server.pipelines.protocol import Judgement, Pipeline, Upload
from audio_score_server.plots import PlotQueue
from audio_score_server.references.library import Clip, ClipId, Library
from audio_score_server.stages import Stages

_LOG = logging.getLogger(__name__)
State = Literal["starting", "ready", "failed", "stopping"]


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Limits of time, in seconds.

    Attributes:
        request_s: longest time for a request, from its arrival.
        canary_interval_s: how often models are asked whether they are well; 0 for never.
    """

    request_s: float
    canary_interval_s: float


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of once loaded.

    Attributes:
        library: the clips.
        pipelines: the models, in order of preference.
        companions: models that only serve those.
    """

    library: Library
    pipelines: tuple[Pipeline, ...]
    companions: tuple[Pipeline, ...] = ()


class ScoreService:
    """Scores recordings against the clips of a library."""

    def __init__(
        self,
        load: Callable[[ThreadPoolExecutor], Awaitable[Parts]],
        cpu_threads: int,
        concurrency: int,
        limits: ServiceLimits,
    ) -> None:
        """Make a service that has yet to start.

        Args:
            load: brings models and clips, given the pool for CPU work.
            cpu_threads: threads of that pool.
            concurrency: clips that are encoded at once at start.
            limits: of time.
        """
        self.on_failure: Callable[[BaseException], None] = lambda _: None
        """Called with the reason, after it was logged, when the service cannot go on."""
        self.ailment: str | None = None
        """What is wrong with some model, as its canary says; None while all are well."""
        self._limits = limits
        self._watch: asyncio.Task[None] | None = None
        self._load = load
        self._concurrency = concurrency
        self._pool = ThreadPoolExecutor(cpu_threads, thread_name_prefix="cpu")
        self._plots = PlotQueue()
        self._parts = Parts(Library([]), ())
        self._started = time.monotonic()
        self._drained = -math.inf
        self.state: State = "starting"

    async def start(self) -> None:
        """Load everything, warm it up and complete the cache; ready afterwards.

        Raises:
            NoModelError: no configured model could be loaded.
        """
        loop = asyncio.get_running_loop()
        try:
            self._parts = await self._load(self._pool)
            for pipeline in (*self._parts.pipelines, *self._parts.companions):
                fail = partial(self._fail, pipeline)
                pipeline.on_death = partial(loop.call_soon_threadsafe, fail)
            await self._start_pipelines()
        except BaseException:
            self.state = "failed"
            raise
        if self.state != "starting":
            return  # told to stop, or a device has failed, meanwhile
        self.state = "ready"
        if self._limits.canary_interval_s:
            self._watch = asyncio.create_task(self._watch_models(), name="canaries")
        _LOG.info(
            "Ready after %.1f s: %s; %d clips.",
            self.uptime_s,
            ", ".join(pipeline.key for pipeline in self._parts.pipelines),
            len(self._parts.library),
        )

    async def _start_pipelines(self) -> None:
        """Start each model; those that fail are told and left out like any that fail to load.

        Raises:
            NoModelError: not one could be started.
        """
        for pipeline in self._parts.pipelines:
            try:
                await pipeline.start(self._parts.library, self._concurrency)
            except Exception as error:
                _LOG.warning("Model %s is left out: %r.", pipeline.key, error)
                _LOG.debug("How model %s failed to start:", pipeline.key, exc_info=error)
                others = tuple(other for other in self._parts.pipelines if other is not pipeline)
                self._parts = replace(self._parts, pipelines=others)
                await pipeline.close()
        if not self._parts.pipelines:
            raise NoModelError("None of the models could be started. The lines above say why.")

    def drain(self) -> None:
        """Take no new work; what is under way goes on, uploads too."""
        if self.state == "ready":
            self._drained = time.monotonic()
        if self.state in ("starting", "ready"):
            self.state = "stopping"

    async def close(self) -> None:
        """Stop the models."""
        self.drain()
        if self._watch is not None:
            self._watch.cancel()
        for pipeline in (*self._parts.pipelines, *self._parts.companions):
            await pipeline.close()
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._plots.close)

    async def score(
        self,
        uid: str,
        cid: str,
        model: str | None,
        upload: Upload,
        stages: Stages,
        allowed_s: float | None = None,
        explained: bool = False,
    ) -> Judgement:
        """Score one recording.

        Args:
            uid: video id.
            cid: clip id.
            model: key of a loaded model; None for the first.
            upload: reads the recording's file.
            stages: told which model it was, and how long each stage took.
            allowed_s: how long the client waits, from the request's arrival; None for as long as
                the server allows.
            explained: whether reasons are asked for.

        Raises:
            RequestError: the request cannot be served as it stands.
            RequestTimeout: it was not done in time.
            NotReady: the server is starting or stopping.
            AudioScoreError: see ``Pipeline.score``.
        """
        under_way = self.state == "stopping" and stages.arrived < self._drained
        if self.state != "ready" and not under_way:
            raise NotReady(f"The server is {self.state}. Try again shortly.")
        pipeline = self._pipeline(model)
        stages.model = pipeline.key
        clip = self._parts.library.find(uid, cid)
        allowed_s = min(self._limits.request_s, allowed_s or self._limits.request_s)
        stages.deadline = stages.arrived + allowed_s
        async with _within(stages):
            return await pipeline.score(clip, upload, stages, explained)

    async def score_all(
        self, ids: Sequence[ClipId], model: str | None, upload: Upload
    ) -> list[Judgement]:
        """Score one recording against several clips, with reasons, for as long as it takes.

        Args:
            ids: of the clips, at least one.
            model: key of a loaded model; None for the first.
            upload: reads the recording's file.

        Raises:
            RequestError: there is no such clip or model.
            AudioScoreError: see ``Pipeline.score_all``.
        """
        clips = [self._parts.library.find(each.uid, each.cid) for each in ids]
        return await self._pipeline(model).score_all(clips, upload)

    def crowded(self) -> QueueFull | None:
        """How any request would be refused now; None while some model would take one."""
        refusals = [pipeline.full(self._limits.request_s) for pipeline in self._parts.pipelines]
        if not refusals or None in refusals:
            return None
        return min((each for each in refusals if each), key=lambda each: each.retry_after_s)

    async def plot(
        self,
        uid: str,
        cid: str,
        model: str | None,
        upload: Upload,
        stages: Stages,
        allowed_s: float | None = None,
    ) -> bytes:
        """Score one recording and draw it over against its clip, as SVG.

        Arguments and errors are those of ``score``.
        """
        with self._plots.admit():
            judgement = await self.score(uid, cid, model, upload, stages, allowed_s, explained=True)
            if judgement.explanation is None:
                raise Unexplained(f"Model {stages.model!r} tells no reasons: leave detail out.")
            async with _within(stages):
                with stages.measure("plot"):
                    return await self._plots.draw(judgement.score, judgement.explanation)

    async def _watch_models(self) -> None:
        """Ask the models again and again whether they are well, until one is given up."""
        endurance = {pipeline.key: Endurance() for pipeline in self._parts.pipelines}
        while self.state == "ready":
            await asyncio.sleep(self._limits.canary_interval_s)
            told = {pipeline.key: await pipeline.ailment() for pipeline in self._parts.pipelines}
            ailments = [f"model {key}: {what}" for key, what in told.items() if what is not None]
            ailment = "; ".join(ailments) or None
            if ailment != self.ailment:
                _LOG.error("Not ready: %s.", ailment) if ailment else _LOG.info("Well again.")
            self.ailment = ailment
            for key, what in told.items():
                hopeless = endurance[key].hear(what, time.monotonic())
                if hopeless is not None:
                    self._give_up(key, hopeless)

    def _give_up(self, key: str, hopeless: str) -> None:
        """End the process, unless it ends already: a fresh one may fare better."""
        if self.state != "ready":
            return
        text = (
            f"Model {key} is given up, {hopeless}. The process ends; a fresh one may fare better."
        )
        _LOG.critical(text)
        self.state = "failed"
        self.on_failure(NotReady(text))

    def _fail(self, pipeline: Pipeline, cause: BaseException) -> None:
        """A device has failed for good: a fresh process may fare better."""
        _LOG.critical("The device of model %s has failed: %s.", pipeline.key, cause)
        if self.state != "failed":
            self.state = "failed"
            self.on_failure(cause)

    def _pipeline(self, model: str | None) -> Pipeline:
        for pipeline in self._parts.pipelines:
            if model is None or pipeline.key == model:
                return pipeline
        loaded = ", ".join(pipeline.key for pipeline in self._parts.pipelines)
        raise UnknownModel(f"Model {shortened(model or '')!r} is not loaded; loaded are: {loaded}.")

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made."""
        return time.monotonic() - self._started

    def pipelines(self) -> tuple[Pipeline, ...]:
        """Loaded models, the first being the default."""
        return self._parts.pipelines

    def clips(self) -> list[Clip]:
        """Every clip that some model can compare with."""
        return [
            clip
            for clip in self._parts.library.clips()
            if not all(pipeline.failed(clip) for pipeline in self._parts.pipelines)
        ]


@asynccontextmanager
async def _within(stages: Stages) -> AsyncIterator[None]:
    """Until the request's deadline.

    Raises:
        RequestTimeout: it has passed.
    """
    try:
        async with asyncio.timeout(stages.deadline - time.monotonic()) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        allowed_s = stages.deadline - stages.arrived
        raise RequestTimeout(
            f"The request was not done within {allowed_s:g} s. Try again later, or allow more."
        ) from None
