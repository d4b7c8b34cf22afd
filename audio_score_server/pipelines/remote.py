"""A remote model's path: decode both recordings, ask, read the answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Placement, Score, Waveform
from audio_score_server.errors import AudioError, ReferenceMissing
from audio_score_server.references.library import Clip, Library
from audio_score_server.remote.scorer import RemoteScorer


class RemotePipeline:
    """A model that listens to reference and recording elsewhere; nothing of it is cached here."""

    def __init__(
        self, key: str, scorer: RemoteScorer, limits: DecodeLimits, pool: ThreadPoolExecutor
    ) -> None:
        self.key = key
        self.placement = Placement(scorer.host)
        self._scorer = scorer
        self._limits = limits
        self._pool = pool

    async def start(self, library: Library, concurrency: int) -> None:
        """Nothing to warm up, and clips are sent as they are."""

    async def close(self) -> None:
        """Give up the connections."""
        await self._scorer.close()

    def failed(self, clip: Clip) -> bool:
        """Clips are first read when they are asked for."""
        return False

    async def score(self, clip: Clip, data: bytes) -> Score:
        """See ``Pipeline.score``."""
        loop = asyncio.get_running_loop()
        recording = await loop.run_in_executor(self._pool, decode, data, self._limits)
        reference = await loop.run_in_executor(self._pool, self._reference, clip)
        return await self._scorer.score(reference, recording, clip.text)

    def _reference(self, clip: Clip) -> Waveform:
        try:
            return decode(clip.path.read_bytes(), self._limits)
        except (AudioError, OSError) as error:
            raise ReferenceMissing(f"Clip {clip.id} cannot be compared with: {error}") from error
