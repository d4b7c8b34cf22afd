"""What the server does, free of HTTP: start, score, tell how it is, stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from audio_score_server.domain import Score
from audio_score_server.errors import NoModelError, NotReady, UnknownModel, shortened
from audio_score_server.pipelines.protocol import Pipeline
from audio_score_server.references.library import Clip, Library

_LOG = logging.getLogger(__name__)
State = Literal["starting", "ready", "failed", "stopping"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of once loaded: the clips, the models in order of preference."""

    library: Library
    pipelines: tuple[Pipeline, ...]


class ScoreService:
    """Scores recordings against the clips of a library."""

    def __init__(
        self,
        load: Callable[[ThreadPoolExecutor], Awaitable[Parts]],
        cpu_threads: int,
        concurrency: int,
    ) -> None:
        """Make a service that has yet to start.

        Args:
            load: brings models and clips, given the pool for CPU work.
            cpu_threads: threads of that pool.
            concurrency: clips that are encoded at once at start.
        """
        self._load = load
        self._concurrency = concurrency
        self._pool = ThreadPoolExecutor(cpu_threads, thread_name_prefix="cpu")
        self._parts = Parts(Library([]), ())
        self._started = time.monotonic()
        self.state: State = "starting"

    async def start(self) -> None:
        """Load everything, warm it up and complete the cache; ready afterwards.

        Raises:
            NoModelError: no configured model could be loaded.
        """
        try:
            self._parts = await self._load(self._pool)
            await self._start_pipelines()
        except BaseException:
            self.state = "failed"
            raise
        self.state = "ready"
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
                self._parts = Parts(self._parts.library, others)
                await pipeline.close()
        if not self._parts.pipelines:
            raise NoModelError("None of the models could be started. The lines above say why.")

    async def close(self) -> None:
        """Stop the models."""
        self.state = "stopping"
        for pipeline in self._parts.pipelines:
            await pipeline.close()
        await asyncio.to_thread(self._pool.shutdown)

    async def score(self, uid: str, cid: str, model: str | None, data: bytes) -> tuple[str, Score]:
        """Score one recording.

        Args:
            uid: video id.
            cid: clip id.
            model: key of a loaded model; None for the first.
            data: the recording's file.

        Returns:
            The key of the model used, and the score.

        Raises:
            RequestError: the request cannot be served as it stands.
            NotReady: the server is starting or stopping.
            BatchError: the model failed.
        """
        if self.state != "ready":
            raise NotReady(f"The server is {self.state}. Try again shortly.")
        pipeline = self._pipeline(model)
        clip = self._parts.library.find(uid, cid)
        return pipeline.key, await pipeline.score(clip, data)

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
