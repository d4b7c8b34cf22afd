"""What a local model does with several clips or recordings: each recording is encoded once."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from audio_score_server.audio.contours import contours
from audio_score_server.batching import Batcher
from audio_score_server.domain import Encoding, Score, Utterance, Waveform
from audio_score_server.errors import CapabilityUnsupported, ReferenceMissing
from audio_score_server.library.clip import Clip, ClipChanged, Library
from audio_score_server.pipelines.analysis import EncodedPair
from audio_score_server.pipelines.comparison import Comparator
from audio_score_server.pipelines.line_search import LineSearch
from audio_score_server.pipelines.protocol import ScoreResult, Upload
from audio_score_server.pipelines.references import ReferenceProvider
from audio_score_server.pipelines.threads import all_of, run_in
from audio_score_server.runners.protocol import Runner
from audio_score_server.telemetry.stages import Stages

_RECORDINGS_AT_ONCE: Final = 4
"""Of one request: others get their turns between them."""


SHORT_LIST: Final = 100
"""Clips of a library that are looked at closely: those that the index takes for likeliest. What is
said is nearly always the best of these, if it is one of them (``docs/scores.md``)."""
_SCORED: Final = 20
"""Of these, those that are scored: where what learners said was on the short list, its text was
borne out best of all in 98 of 100 cases."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """A clip, and a recording of it as the model and the phone model encoded them."""

    clip: Clip
    own: EncodedPair
    phones: EncodedPair | None


class BatchScoring:
    """Part of a local pipeline; what it stands on is the pipeline's."""

    key: str
    references: ReferenceProvider
    comparator: Comparator
    lines: LineSearch | None
    _batcher: Batcher[Utterance[Any], Encoding]
    _runner: Runner[Any]
    _phone_model: Any
    _pool: ThreadPoolExecutor

    def _decode(self, upload: Upload) -> Waveform:
        raise NotImplementedError

    @property
    def indexed(self) -> int:
        """See ``BatchScorer.indexed``."""
        lines = self._lines()
        return lines.indexed if lines else 0

    def searchable(self, count: int) -> int:
        """See ``BatchScorer.searchable``."""
        return count if count <= SHORT_LIST else min(count, self.indexed)

    async def decode(self, upload: Upload) -> Waveform:
        """See ``BatchScorer.decode``."""
        return await run_in(self._pool, self._decode, upload)

    async def score_many(
        self, clips: Sequence[Clip], waveforms: Sequence[Waveform], stages: Stages
    ) -> list[list[Score]]:
        """See ``BatchScorer.score_many``."""
        if full := self._batcher.full(stages.deadline - time.monotonic()):
            raise full
        turns = asyncio.Semaphore(_RECORDINGS_AT_ONCE)

        async def score(waveform: Waveform) -> list[Score]:
            async with turns:
                return await self._scores(clips, waveform, stages)

        return await all_of(map(score, waveforms))

    async def search(
        self, waveform: Waveform, library: Library, uid: str | None, count: int, stages: Stages
    ) -> list[tuple[Clip, Score]]:
        """See ``BatchScorer.search``."""
        if full := self._batcher.full(stages.deadline - time.monotonic()):
            raise full
        clips = await self.shortlist(waveform, library, uid, stages)
        if not clips:
            return []
        with stages.measure("device"):
            encoded = await self._encoded(clips, waveform)
        with stages.measure("score"):
            return await run_in(self._pool, self._likeliest, encoded, count)

    async def shortlist(
        self, waveform: Waveform, library: Library, uid: str | None, stages: Stages
    ) -> list[Clip]:
        """The clips that a recording may say: all of them where they are few; see ``search``."""
        clips = [clip for clip in library.clips() if uid in (None, clip.id.uid)]
        if len(clips) > SHORT_LIST:
            clips = await self._found(waveform, library, uid, stages)
        return await self._usable(clips)

    def _likeliest(self, encoded: Sequence[_Compared], count: int) -> list[tuple[Clip, Score]]:
        """By the text, which costs little, those that are worth the rest."""
        comparator = self.comparator
        ranked = sorted(
            encoded, key=lambda each: comparator.text_score(each.own, each.phones), reverse=True
        )
        return [
            (each.clip, comparator.score(each.clip, each.own, each.phones))
            for each in ranked[: max(_SCORED, count)]
        ]

    async def _found(
        self, waveform: Waveform, library: Library, uid: str | None, stages: Stages
    ) -> list[Clip]:
        hearing, lines = self._hearing(), self._lines()
        if hearing is None or lines is None:
            raise CapabilityUnsupported(
                f"Model {self.key!r} hears no phones, by which more than {SHORT_LIST} clips are "
                "searched: name clips, or a video (uid) that has fewer, or another model."
            )
        with stages.measure("search"):
            heard = await hearing._hear(waveform)
            return await lines.find(heard, library, uid, SHORT_LIST)

    async def _usable(self, clips: Sequence[Clip]) -> list[Clip]:
        """Those that something can be compared with."""

        async def is_usable(clip: Clip) -> bool:
            try:
                await self.references.reference(clip)
            except (ReferenceMissing, ClipChanged):
                return False
            return True

        usable = await all_of(map(is_usable, clips))
        return [clip for clip, is_one in zip(clips, usable, strict=True) if is_one]

    def _hearing(self) -> BatchScoring | None:
        """Which model's phones are searched by."""
        phone_model: BatchScoring | None = self._phone_model
        return self if self.lines is not None else phone_model

    def _lines(self) -> LineSearch | None:
        hearing = self._hearing()
        return hearing.lines if hearing is not None else None

    async def _hear(self, waveform: Waveform) -> Encoding:
        with self._batcher.admit(bounded=False) as ticket:
            features = await run_in(self._pool, self._runner.prepare, waveform)
            return (await ticket.submit(Utterance(features, None), waveform.seconds)).result

    async def _scores(
        self, clips: Sequence[Clip], waveform: Waveform, stages: Stages
    ) -> list[Score]:
        with stages.measure("device"):
            encoded = await self._encoded(clips, waveform)
        with stages.measure("score"):
            return await run_in(self._pool, self._compared, encoded)

    def _compared(self, encoded: Sequence[_Compared]) -> list[Score]:
        return [self.comparator.score(each.clip, each.own, each.phones) for each in encoded]

    async def _encoded(self, clips: Sequence[Clip], waveform: Waveform) -> list[_Compared]:
        pairs = await self.encode_all(clips, waveform)
        phones = await self._encode_all_phones(clips, pairs, waveform)
        return [_Compared(*each) for each in zip(clips, pairs, phones, strict=True)]

    async def score_all(self, clips: Sequence[Clip], upload: Upload) -> list[ScoreResult]:
        """See ``Scorer.score_all``."""
        waveform = await run_in(self._pool, self._decode, upload)
        pairs = await self.encode_all(clips, waveform)
        phones = await self._encode_all_phones(clips, pairs, waveform)
        recording = await run_in(self._pool, contours, waveform)
        return await asyncio.gather(
            *(
                run_in(self._pool, self.comparator.compare, *encoded, recording)
                for encoded in zip(clips, pairs, phones, strict=True)
            )
        )

    async def encode_all(self, clips: Sequence[Clip], waveform: Waveform) -> list[EncodedPair]:
        """One recording as this model encodes it for each of several clips."""
        references = await all_of(self.references.reference(clip) for clip in clips)
        features = await run_in(self._pool, self._runner.prepare, waveform)
        # A transcript is in the language of what is expected.
        by_language: dict[str | None, list[int]] = defaultdict(list)
        for place, reference in enumerate(references):
            by_language[reference.transcript.language].append(place)
        encodings: dict[int, Encoding] = {}
        for places in by_language.values():
            own, *others = (references[place].transcript for place in places)
            utterance = Utterance(features, own, tuple(others))
            with self._batcher.admit(bounded=False) as ticket:
                encoding = (await ticket.submit(utterance, waveform.seconds)).result
            encodings |= dict(zip(places, (encoding, *encoding.others), strict=True))
        return [EncodedPair(each, encodings[place]) for place, each in enumerate(references)]

    async def _encode_all_phones(
        self, clips: Sequence[Clip], pairs: Sequence[EncodedPair], waveform: Waveform
    ) -> list[EncodedPair | None]:
        """By the auxiliary phone model, where it has a say."""
        phone_model: BatchScoring | None = self._phone_model
        uses_phones = self.comparator.uses_phones
        wanted = [place for place, pair in enumerate(pairs) if uses_phones(pair.reference)]
        if phone_model is None or not wanted:
            return [None] * len(clips)
        encoded = await phone_model.encode_all([clips[place] for place in wanted], waveform)
        found = dict(zip(wanted, encoded, strict=True))
        return [found.get(place) for place in range(len(clips))]
