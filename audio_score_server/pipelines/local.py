"""A local model's path: decode and prepare, batch through the device, compare."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar, TypeVarTuple

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.batching import Batcher
from audio_score_server.domain import Encoding, Reference, Score, Transcript, Utterance
from audio_score_server.errors import AudioError, ReferenceMissing
from audio_score_server.references.build import ReferenceBuilder
from audio_score_server.references.entry import EntryInvalid
from audio_score_server.references.library import Clip, Library
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.protocol import Runner
from audio_score_server.scoring.score import score

_LOG = logging.getLogger(__name__)
Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class LocalPipeline:
    """A loaded model with its batcher and its references.

    Decoding, feature extraction and comparison run on the shared CPU pool, the model on the
    batcher's thread; the event loop only waits.
    """

    def __init__(
        self,
        key: str,
        runner: Runner[Any],
        batcher: Batcher[Utterance[Any], Encoding],
        store: ReferenceStore,
        limits: DecodeLimits,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.key = key
        self.placement = runner.placement
        self._runner = runner
        self._batcher = batcher
        self._store = store
        self._limits = limits
        self._pool = pool
        self._builder = ReferenceBuilder(key, store, self._encode_clip)
        self._rebuilding = asyncio.Lock()

    async def start(self, library: Library, concurrency: int) -> None:
        """Warm the model up and complete its cache."""
        texts = [clip.text for clip in library.clips() if clip.text]
        objection = await self._in_pool(self._runner.objection, texts)
        if objection:
            _LOG.warning("Model %s: %s.", self.key, objection)
        await self._batcher.call(self._runner.warm_up)
        await self._builder.build_missing(library.clips(), concurrency)

    async def close(self) -> None:
        """Refuse what still waits and let go of the model."""
        await self._batcher.close()
        self._runner.close()

    def failed(self, clip: Clip) -> bool:
        """Whether the clip could not be encoded."""
        return clip.id in self._builder.failures

    async def score(self, clip: Clip, data: bytes) -> Score:
        """See ``Pipeline.score``."""
        with self._batcher.announce():
            reference = await self._reference(clip)
            utterance = await self._in_pool(self._utterance, data, reference.transcript)
        encoding = await self._batcher.submit(utterance)
        return await self._in_pool(score, reference, encoding)

    async def _reference(self, clip: Clip) -> Reference:
        remembered = self._store.remembered(clip)
        if remembered is not None:
            return remembered
        if self.failed(clip):
            raise _missing(clip, self._builder.failures[clip.id])
        try:
            return await self._in_pool(self._store.read, clip)
        except EntryInvalid:
            return await self._rebuild(clip)

    async def _rebuild(self, clip: Clip) -> Reference:
        """One at a time: requests that wait here find the entry that the first one rebuilt."""
        async with self._rebuilding:
            try:
                return await self._in_pool(self._store.read, clip)
            except EntryInvalid as reason:
                try:
                    return await self._builder.rebuild(clip, reason)
                except (AudioError, OSError) as error:
                    raise _missing(clip, str(error)) from error

    async def _encode_clip(self, clip: Clip) -> Reference:
        with self._batcher.announce():
            utterance = await self._in_pool(self._clip_utterance, clip)
        encoding = await self._batcher.submit(utterance)
        return Reference(encoding.features, _reference_transcript(utterance, encoding))

    def _clip_utterance(self, clip: Clip) -> Utterance[Any]:
        expected = self._runner.expected(clip.text) if clip.text else None
        return self._utterance(clip.path.read_bytes(), expected)

    def _utterance(self, data: bytes, expected: Transcript | None) -> Utterance[Any]:
        waveform = decode(data, self._limits)
        return Utterance(self._runner.prepare(waveform), expected)

    async def _in_pool(
        self, function: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


def _reference_transcript(clip: Utterance[Any], heard: Encoding) -> Transcript:
    """What the clip says: as its text tells, else as heard; in the language that was heard."""
    if clip.expected is None:
        return heard.transcript
    return replace(clip.expected, language=clip.expected.language or heard.transcript.language)


def _missing(clip: Clip, reason: str) -> ReferenceMissing:
    return ReferenceMissing(f"Clip {clip.id} cannot be compared with: {reason}")
