"""How alike a clip and a recording sound, measured by how alike others do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from audio_score_server.domain import EncoderFeatures, FloatArray, IntArray, Reference
from audio_score_server.references.library import Clip, ClipId
from audio_score_server.scoring.audio import (
    Side,
    best_path,
    mean_frame,
    pooled_similarity,
    similarity,
)
from audio_score_server.scoring.level import SAME_LINE, impostor_level, placed
from audio_score_server.scoring.view import Unchanged, View
from audio_score_server.writing import words

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


class AudioMeasure(Protocol):
    """Compares sounds; safe to use from several threads."""

    def score(self, clip: Clip, reference: Reference, recording: EncoderFeatures) -> float:
        """The likeness, from 0 to 1."""
        ...

    def path(self, reference: Reference, recording: EncoderFeatures) -> IntArray:
        """The best alignment, int64 ``[steps, 2]``: frames of the clip and of the recording."""
        ...


class Aligned:
    """Frame by frame, placed between other lines and a perfect copy."""

    def __init__(
        self,
        cohort: Sequence[Impostor],
        view: View | None = None,
        reserve: Sequence[Impostor] = (),
    ) -> None:
        """Compare as the cohort tells what likeness is worth.

        Args:
            cohort: whom each clip is compared with.
            view: in which features are compared; as they are where there is none.
            reserve: who steps in where too many of the cohort are the clip itself.
        """
        self._view = view or Unchanged()
        distinct = _distinct(
            [Impostor(each.clip, self._view(each.features)) for each in (*cohort, *reserve)]
        )
        self._centre = _centre(distinct[: len(cohort)])
        sides = [(each.clip, Side.of(each.features, self._centre)) for each in distinct]
        self._cohort, self._reserve = sides[: len(cohort)], sides[len(cohort) :]
        self._levels: dict[ClipId, float] = {}

    def score(self, clip: Clip, reference: Reference, recording: EncoderFeatures) -> float:
        """See ``AudioMeasure.score``; a clip's level is found when it is first asked for."""
        side = self._side(reference.features)
        if clip.id not in self._levels:
            self._levels[clip.id] = self._level(clip, side)
        other = self._side(recording)
        if not len(side.places) or not len(other.places):
            return 0.0
        return placed(similarity(side, other), self._levels[clip.id])

    def path(self, reference: Reference, recording: EncoderFeatures) -> IntArray:
        """See ``AudioMeasure.path``."""
        return best_path(self._side(reference.features), self._side(recording))

    def _side(self, features: EncoderFeatures) -> Side:
        return Side.of(self._view(features), self._centre)

    def _level(self, clip: Clip, side: Side) -> float:
        """By those of the cohort that are not the clip, whatever they are called."""
        found = self._unlike(clip, side, self._cohort)
        if len(found) < _ENOUGH:
            found += self._unlike(clip, side, self._reserve)[: _ENOUGH - len(found)]
        return impostor_level(found)

    @staticmethod
    def _unlike(clip: Clip, side: Side, impostors: Sequence[tuple[Clip, Side]]) -> list[float]:
        """How alike each is; without copies, recaps and other takes of the clip."""
        found = [
            similarity(side, impostor)
            for other, impostor in impostors
            if other.id != clip.id and not _same_line(other, clip)
        ]
        return [each for each in found if each < SAME_LINE]


class Pooled(Aligned):
    """By the plain cosine of mean frames; aligned only where the alignment itself is asked for."""

    def __init__(self) -> None:
        super().__init__([])

    def score(self, clip: Clip, reference: Reference, recording: EncoderFeatures) -> float:
        """See ``AudioMeasure.score``."""
        return pooled_similarity(reference.features, recording)


def _distinct(viewed: Sequence[Impostor]) -> list[Impostor]:
    """Those that say something else than all before them: a cohort of copies tells nothing."""
    centre = _centre(viewed)
    kept: list[Impostor] = []
    sides: list[Side] = []
    for each in viewed:
        side = Side.of(each.features, centre)
        if all(similarity(side, other) < SAME_LINE for other in sides):
            kept.append(each)
            sides.append(side)
    return kept


def _centre(viewed: Sequence[Impostor]) -> FloatArray:
    return mean_frame([each.features for each in viewed])


def _same_line(one: Clip, other: Clip) -> bool:
    """Whether two clips are known to say the same."""
    return bool(one.text and other.text) and words(one.text or "") == words(other.text or "")
