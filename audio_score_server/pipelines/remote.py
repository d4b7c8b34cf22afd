"""A remote model's path: decode both recordings, ask, read the answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import ModelInfo, Score, Waveform
from audio_score_server.errors import (
    AudioError,
    CapabilityUnsupported,
    DetailUnsupported,
    QueueFull,
)
from audio_score_server.library.clip import Clip, Library
from audio_score_server.pipelines.protocol import (
    Model,
    ReferenceStatus,
    ScoreResult,
    Traffic,
    Upload,
)
from audio_score_server.pipelines.threads import all_of
from audio_score_server.references.build import broken, complaint
from audio_score_server.remote.scorer import RemoteScorer
from audio_score_server.scoring.words import ClipWord
from audio_score_server.telemetry.stages import Stages

_LOG = logging.getLogger(__name__)
ArgumentT = TypeVar("ArgumentT")
_RETRY_S: Final = 1.0


class RemotePipeline:
    """A model that listens to reference and recording elsewhere; nothing of it is cached here."""

    def __init__(
        self,
        key: str,
        scorer: RemoteScorer,
        limits: DecodeLimits,
        capacity: int,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.key = key
        self.info = ModelInfo(scorer.host)
        self.needs: Sequence[Model] = ()
        self.on_death: Callable[[BaseException], object] = lambda _: None
        self._scorer = scorer
        self._limits = limits
        self._capacity = capacity
        self._under_way = 0
        self._pool = pool

    async def start(self, library: Library, concurrency: int) -> None:
        """Nothing to warm up, and clips are sent as they are."""

    async def use(self, library: Library, concurrency: int) -> None:
        """Nothing depends on the library."""

    async def close(self) -> None:
        """Give up the connections."""
        await self._scorer.close()

    def failed(self, clip: Clip) -> bool:
        """Clips are first read when they are asked for."""
        return False

    async def reference_status(self, clip: Clip) -> ReferenceStatus:
        """Ready: clips are sent as they are."""
        return ReferenceStatus("ready")

    async def prepare(self, clip: Clip) -> None:
        """Nothing is encoded here."""

    async def clip_words(self, clip: Clip) -> Sequence[ClipWord]:
        """None: the other tells no times."""
        return ()

    def full(self, left_s: float) -> QueueFull | None:
        """By the number under way alone: nobody knows how long the other's queue is."""
        if self._under_way >= self._capacity:
            return QueueFull(self._under_way, _RETRY_S)
        return None

    def traffic(self) -> Traffic:
        """Nothing waits here but in the other's queue."""
        return Traffic(self._under_way)

    async def health_error(self) -> str | None:
        """None: asking would cost money."""
        return None

    async def score(
        self, clip: Clip, upload: Upload, stages: Stages, detailed: bool = False
    ) -> ScoreResult:
        """See ``Scorer.score``."""
        if detailed:
            raise self._detail_unsupported()
        if full := self.full(stages.deadline - time.monotonic()):
            raise full
        self._under_way += 1
        try:
            with stages.measure("decode"):
                reference = await self._in_pool(self._reference, clip)
                recording = await self._in_pool(self._decode, upload)
            stages.audio_s = recording.seconds
            with stages.measure("device"):
                return ScoreResult(await self._scorer.score(reference, recording, clip.text))
        finally:
            self._under_way -= 1

    async def score_all(self, clips: Sequence[Clip], upload: Upload) -> list[ScoreResult]:
        """Refuse: it has no reasons, and listens anew for every clip."""
        raise self._detail_unsupported()

    @property
    def indexed(self) -> int:
        """None: nothing is known here of what clips sound like."""
        return 0

    def searchable(self, count: int) -> int:
        """None; see ``search``."""
        return 0

    async def decode(self, upload: Upload) -> Waveform:
        """See ``BatchScorer.decode``."""
        return await self._in_pool(self._decode, upload)

    async def search(
        self, waveform: Waveform, library: Library, uid: str | None, count: int, stages: Stages
    ) -> list[tuple[Clip, Score]]:
        """Refuse: it would have to listen to every clip of the library."""
        raise CapabilityUnsupported(
            f"Model {self.key!r} is asked of each clip by itself, and cannot search a library: "
            "name the clips, or another model."
        )

    async def score_many(
        self, clips: Sequence[Clip], waveforms: Sequence[Waveform], stages: Stages
    ) -> list[list[Score]]:
        """See ``BatchScorer.score_many``; every pair is a question of its own."""
        if full := self.full(stages.deadline - time.monotonic()):
            raise full
        self._under_way += 1
        try:
            references = [await self._in_pool(self._reference, clip) for clip in clips]
            with stages.measure("device"):
                scores = await all_of(
                    self._scorer.score(reference, waveform, clip.text)
                    for waveform in waveforms
                    for clip, reference in zip(clips, references, strict=True)
                )
            return [
                scores[first : first + len(clips)] for first in range(0, len(scores), len(clips))
            ]
        finally:
            self._under_way -= 1

    def _detail_unsupported(self) -> DetailUnsupported:
        return DetailUnsupported(
            f"Model {self.key!r} gives numbers and no reasons. Leave out the field detail, or "
            "name another model."
        )

    async def _in_pool(
        self, function: Callable[[ArgumentT], Waveform], argument: ArgumentT
    ) -> Waveform:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, function, argument)

    def _decode(self, upload: Upload) -> Waveform:
        return decode(upload(), self._limits)

    def _reference(self, clip: Clip) -> Waveform:
        try:
            return decode(clip.read(), self._limits)
        except (AudioError, OSError) as error:
            _LOG.warning("Clip %s cannot be used: %s. %s", clip.name, *complaint(error))
            raise broken(clip) from error
