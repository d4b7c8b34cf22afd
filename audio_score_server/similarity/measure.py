"""How alike a clip and a recording sound, measured by how alike others do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from audio_score_server.domain import EncoderFeatures, FloatArray, IntArray, Reference
from audio_score_server.library.clip import Clip, VersionKey
from audio_score_server.similarity.calibration import SAME_LINE, calibrated, impostor_level
from audio_score_server.similarity.features import (
    NormalizedFeatures,
    best_path,
    mean_frame,
    pooled_similarity,
    similarity,
)
from audio_score_server.similarity.projection import IdentityProjection, Projection
from audio_score_server.tokenization import words

_ENOUGH: Final = 8
"""Impostors that settle a level well enough."""


@dataclass(frozen=True, slots=True)
class Impostor:
    """A line that is not the clip's, as far as its text tells.

    Attributes:
        clip: where it is from.
        features: its sound.
    """

    clip: Clip
    features: EncoderFeatures


class AudioSimilarity(Protocol):
    """Compares sounds; safe to use from several threads."""

    def score(self, clip: Clip, reference: Reference, recording: EncoderFeatures) -> float:
        """The likeness, from 0 to 1."""
        ...

    def path(self, reference: Reference, recording: EncoderFeatures) -> IntArray:
        """The best alignment, int64 ``[steps, 2]``: frames of the clip and of the recording."""
        ...


class AlignedSimilarity:
    """Frame by frame, placed between other lines and a perfect copy."""

    def __init__(
        self,
        cohort: Sequence[Impostor],
        projection: Projection | None = None,
        reserve: Sequence[Impostor] = (),
    ) -> None:
        """Compare as the cohort tells what likeness is worth.

        Args:
            cohort: whom each clip is compared with.
            projection: in which features are compared; as they are where there is none.
            reserve: who steps in where too many of the cohort are the clip itself.
        """
        self._projection = projection or IdentityProjection()
        distinct = _distinct(
            [Impostor(each.clip, self._projection(each.features)) for each in (*cohort, *reserve)]
        )
        self._centre = _centre(distinct[: len(cohort)])
        normalized = [
            (each.clip, NormalizedFeatures.of(each.features, self._centre)) for each in distinct
        ]
        self._cohort, self._reserve = normalized[: len(cohort)], normalized[len(cohort) :]
        self._levels: dict[VersionKey, float] = {}

    def score(self, clip: Clip, reference: Reference, recording: EncoderFeatures) -> float:
        """See ``AudioSimilarity.score``; a clip's level is found when it is first asked for."""
        normalized = self._normalized(reference.features)
        if clip.version_key not in self._levels:
            self._levels[clip.version_key] = self._level(clip, normalized)
        other = self._normalized(recording)
        if not len(normalized.places) or not len(other.places):
            return 0.0
        return calibrated(similarity(normalized, other), self._levels[clip.version_key])

    def path(self, reference: Reference, recording: EncoderFeatures) -> IntArray:
        """See ``AudioSimilarity.path``."""
        return best_path(self._normalized(reference.features), self._normalized(recording))

    def _normalized(self, features: EncoderFeatures) -> NormalizedFeatures:
        return NormalizedFeatures.of(self._projection(features), self._centre)

    def _level(self, clip: Clip, normalized: NormalizedFeatures) -> float:
        """By those of the cohort that are not the clip, whatever they are called."""
        found = self._unlike(clip, normalized, self._cohort)
        if len(found) < _ENOUGH:
            found += self._unlike(clip, normalized, self._reserve)[: _ENOUGH - len(found)]
        return impostor_level(found)

    @staticmethod
    def _unlike(
        clip: Clip,
        normalized: NormalizedFeatures,
        impostors: Sequence[tuple[Clip, NormalizedFeatures]],
    ) -> list[float]:
        """How alike each is; without copies, recaps and other takes of the clip."""
        found = [
            similarity(normalized, impostor)
            for other, impostor in impostors
            if other.id != clip.id and not _same_line(other, clip)
        ]
        return [each for each in found if each < SAME_LINE]


class PooledSimilarity(AlignedSimilarity):
    """By the plain cosine of mean frames; aligned only where the alignment itself is asked for."""

    def __init__(self) -> None:
        super().__init__([])

    def score(self, clip: Clip, reference: Reference, recording: EncoderFeatures) -> float:
        """See ``AudioSimilarity.score``."""
        return pooled_similarity(reference.features, recording)


def _distinct(projected: Sequence[Impostor]) -> list[Impostor]:
    """Those that say something else than all before them: a cohort of copies tells nothing."""
    centre = _centre(projected)
    kept: list[Impostor] = []
    kept_features: list[NormalizedFeatures] = []
    for each in projected:
        normalized = NormalizedFeatures.of(each.features, centre)
        if all(similarity(normalized, other) < SAME_LINE for other in kept_features):
            kept.append(each)
            kept_features.append(normalized)
    return kept


def _centre(projected: Sequence[Impostor]) -> FloatArray:
    return mean_frame([each.features for each in projected])


def _same_line(one: Clip, other: Clip) -> bool:
    """Whether two clips are known to say the same."""
    return bool(one.text and other.text) and words(one.text or "") == words(other.text or "")
