"""One model's audio similarity, calibrated by a library's clips and the lines of the package."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from audio_score_server.library.clip import BUILT_IN, Clip, Library, VersionKey
from audio_score_server.pipelines.references import ReferenceProvider
from audio_score_server.pipelines.threads import run_in
from audio_score_server.similarity.cohort import built_in_speech, choose_cohort
from audio_score_server.similarity.measure import AlignedSimilarity, Impostor
from audio_score_server.similarity.projection import (
    Projection,
    fit_phone_projection,
    fit_whitening,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measure:
    """An audio similarity, and what went into it: nothing else, so it cannot be stale.

    Attributes:
        similarity: for scores.
        made_of: versions of the clips of the cohort.
    """

    similarity: AlignedSimilarity
    made_of: tuple[VersionKey, ...]


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Makes a model's measure for one version of the library after the other.

    Attributes:
        key: the model's.
        references: its own.
        teacher: those of a phone model that its features are fitted to, where there is one.
        fitted: whether features are compared in a projection that is fitted to them.
        pool: for what takes a while.
        concurrency: clips that are encoded at once.
    """

    key: str
    references: ReferenceProvider
    teacher: ReferenceProvider | None
    fitted: bool
    pool: ThreadPoolExecutor
    concurrency: int

    async def measure(self, library: Library, before: Measure | None) -> Measure:
        """The measure by a version of the library.

        Most changes of a library change nobody of its cohort: then the measure stays what it was
        before, and so do the scores of all clips that have not changed.
        """
        usable = [clip for clip in library.clips() if not self.references.failed(clip)]
        clips = await run_in(self.pool, choose_cohort, usable)
        made_of = tuple(clip.version_key for clip in clips)
        if before is not None and before.made_of == made_of:
            return before
        cohort = await self._cohort(clips)
        projection = await self._projection(cohort) if self.fitted else None
        reserve = await self._reserve(cohort)
        similarity = await run_in(self.pool, AlignedSimilarity, cohort, projection, reserve)
        return Measure(similarity, made_of)

    async def _cohort(self, clips: Sequence[Clip]) -> list[Impostor]:
        """Those of the cohort that can be encoded."""
        built_in = [each for each in clips if each.id.uid == BUILT_IN]
        _LOG.info(
            "%s: lines are told apart by %d clips, %d of them built in.",
            self.key,
            len(clips),
            len(built_in),
        )
        return await self._impostors(clips)

    async def _reserve(self, cohort: Sequence[Impostor]) -> list[Impostor]:
        """Built-in lines beside the cohort: a library may hold one sound any number of times."""
        known = {impostor.clip.id for impostor in cohort}
        return await self._impostors([line for line in choose_cohort([]) if line.id not in known])

    async def _impostors(self, clips: Sequence[Clip]) -> list[Impostor]:
        features = await self.references.features_of(clips, self.concurrency)
        return [Impostor(clip, features[clip.id]) for clip in clips if clip.id in features]

    async def _projection(self, cohort: Sequence[Impostor]) -> Projection | None:
        """Fitted on the built-in speech and the cohort; whitening where nothing teaches phones."""
        own = {impostor.clip.id: impostor.features for impostor in cohort}
        others = [clip for clip in built_in_speech() if clip.id not in own]
        own |= await self.references.features_of(others, self.concurrency)
        speech = [*(impostor.clip for impostor in cohort), *others]
        taught = await self.teacher.features_of(speech, self.concurrency) if self.teacher else {}
        pairs = [(own[each], taught[each]) for each in own if each in taught]
        projection = await run_in(self.pool, fit_phone_projection, pairs)
        if projection is None:
            _LOG.warning("Model %s: its features are whitened: no phones to fit them to.", self.key)
            return await run_in(self.pool, fit_whitening, [*own.values()])
        return projection
