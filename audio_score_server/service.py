"""What the server does, free of HTTP: start, score, tell how it is, stop."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Literal

from audio_score_server.errors import (
    DetailUnsupported,
    NotReady,
    QueueFull,
)
from audio_score_server.health_monitor import HealthMonitor
from audio_score_server.library.clip import Clip, ClipId, Library
from audio_score_server.live_library import LiveLibrary
from audio_score_server.model_registry import (
    SCORE,
    Capability,
    ModelRegistry,
    ModelT,
    key_of,
)
from audio_score_server.pipelines.protocol import Model, ScoreResult, Upload
from audio_score_server.plot_queue import PlotQueue
from audio_score_server.service_parts import Parts, ServiceLimits
from audio_score_server.telemetry.stages import Stages

_LOG = logging.getLogger(__name__)
State = Literal["starting", "ready", "failed", "stopping"]


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
        self._limits = limits
        self._watch: asyncio.Task[None] | None = None
        self._load = load
        self._concurrency = concurrency
        self._pool = ThreadPoolExecutor(cpu_threads, thread_name_prefix="cpu")
        self._plots = PlotQueue()
        self._library: LiveLibrary | None = None
        self._following: asyncio.Task[None] | None = None
        self._models = ModelRegistry([])
        self._monitor = HealthMonitor(
            self.models, lambda: self.state == "ready", limits.canary_interval_s, self._give_up
        )
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
            parts = await self._load(self._pool)
            self._library = parts.library
            self._models = ModelRegistry(parts.models, parts.auxiliary)
            for model in self._models.all_models():
                model.on_death = partial(loop.call_soon_threadsafe, partial(self._fail, model))
            await self._models.start(self.library.current, self._concurrency)
        except BaseException:
            self.state = "failed"
            raise
        if self.state != "starting":
            return  # told to stop, or a device has failed, meanwhile
        self.state = "ready"
        if self._limits.canary_interval_s:
            self._watch = asyncio.create_task(self._monitor.run(), name="health")
        self._following = asyncio.create_task(self.library.follow(self._prepare), name="library")
        _LOG.info(
            "Ready after %.1f s: %s; %d clips.",
            self.uptime_s,
            ", ".join(model.key for model in self._models.models()),
            len(self.library.current),
        )

    def drain(self) -> None:
        """Take no new work; what is under way goes on, uploads too."""
        if self.state == "ready":
            self._drained = time.monotonic()
        if self.state in ("starting", "ready"):
            self.state = "stopping"

    async def close(self) -> None:
        """Stop the models."""
        self.drain()
        for task in (self._watch, self._following):
            if task is not None:
                task.cancel()
        await self._models.close()
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
        detailed: bool = False,
    ) -> ScoreResult:
        """Score one recording.

        Args:
            uid: video id.
            cid: clip id.
            model: key of a loaded model; None for the first.
            upload: reads the recording's file.
            stages: told which model it was, and how long each stage took.
            allowed_s: how long the client waits, from the request's arrival; None for as long as
                the server allows.
            detailed: whether a detail is asked for.

        Raises:
            RequestError: the request cannot be served as it stands.
            RequestTimeout: it was not done in time.
            NotReady: the server is starting or stopping.
            AudioScoreError: see ``Scorer.score``.
        """
        with self.lease(model, SCORE, stages) as scorer:
            stages.allow(self._limits.request_s, allowed_s)
            async with stages.within_deadline():
                return await self.library.using(
                    ClipId(uid, cid),
                    lambda clip: scorer.score(clip, upload, stages, detailed),
                )

    @contextmanager
    def lease(
        self, key: str | None, capability: Capability[ModelT], stages: Stages
    ) -> Iterator[ModelT]:
        """A model for one request; see ``ModelRegistry.lease``.

        Raises:
            NotReady: the server is starting or stopping.
        """
        under_way = self.state == "stopping" and stages.arrived < self._drained
        if self.state != "ready" and not under_way:
            raise NotReady(f"The server is {self.state}. Try again shortly.")
        with self._models.lease(key, capability) as model:
            stages.model = key_of(model)
            yield model

    async def score_all(
        self, ids: Sequence[ClipId], model: str | None, upload: Upload
    ) -> list[ScoreResult]:
        """Score one recording against several clips, in detail, for as long as it takes.

        Args:
            ids: of the clips, at least one.
            model: key of a loaded model; None for the first.
            upload: reads the recording's file.

        Raises:
            RequestError: there is no such clip or model.
            AudioScoreError: see ``Scorer.score_all``.
        """
        clips = [self.library.current.find(each.uid, each.cid) for each in ids]
        with self._models.lease(model, SCORE) as scorer:
            return await scorer.score_all(clips, upload)

    def overloaded(self) -> QueueFull | None:
        """How any request would be refused now; None while some model would take one."""
        scorers = self._models.able(SCORE)
        rejections = [scorer.full(self._limits.request_s) for scorer in scorers]
        if not rejections or None in rejections:
            return None
        return min((each for each in rejections if each), key=lambda each: each.retry_after_s)

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
            result = await self.score(uid, cid, model, upload, stages, allowed_s, detailed=True)
            if result.analysis is None:
                raise DetailUnsupported(
                    f"Model {stages.model!r} tells no reasons: leave detail out."
                )
            async with stages.within_deadline():
                with stages.measure("plot"):
                    return await self._plots.draw(result.score, result.analysis)

    def _give_up(self, key: str, reason: str) -> None:
        """End the process, unless it ends already: a fresh one may fare better."""
        if self.state != "ready":
            return
        text = f"Model {key} is given up, {reason}. The process ends; a fresh one may fare better."
        self._end(text, NotReady(text))

    def _fail(self, model: Model, cause: BaseException) -> None:
        """A device has failed for good: a fresh process may fare better."""
        self._end(f"The device of model {model.key} has failed: {cause}.", cause)

    def _end(self, text: str, cause: BaseException) -> None:
        _LOG.critical("%s", text)
        if self.state != "failed":
            self.state = "failed"
            self.on_failure(cause)

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made."""
        return time.monotonic() - self._started

    @property
    def health_error(self) -> str | None:
        """What is wrong with some model, as its canary says; None while all are healthy."""
        return self._monitor.error

    def models(self) -> tuple[Model, ...]:
        """Loaded models, the first being the default."""
        return self._models.models()

    def able(self, capability: Capability[ModelT]) -> tuple[ModelT, ...]:
        """Those that can do something, the default first."""
        return self._models.able(capability)

    @property
    def library(self) -> LiveLibrary:
        """The clips.

        Raises:
            NotReady: the server is starting.
        """
        if self._library is None:
            raise NotReady(f"The server is {self.state}. Try again shortly.")
        return self._library

    def clips(self) -> list[Clip]:
        """Every clip that some model can compare with, of those that models are ready for."""
        return self.usable(self._library.current.clips() if self._library else ())

    def usable(self, clips: Iterable[Clip]) -> list[Clip]:
        """Those that some model can compare with, or may."""
        scorers = self._models.able(SCORE)
        return [clip for clip in clips if not all(scorer.failed(clip) for scorer in scorers)]

    async def _prepare(self, library: Library) -> None:
        """Make every model ready for another version of the library, cohort and levels too.

        Meanwhile requests go on; those under way end with the clips that they began with.
        """
        for model in self._models.all_models():
            await model.use(library, self._concurrency)
