"""What the scores of one model are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audio_score_server.domain import BoolArray, IntArray
from audio_score_server.evaluation.calibration import Reliability, reliability
from audio_score_server.evaluation.estimates import (
    Correlation,
    Discrimination,
    correlate,
    discriminate,
)
from audio_score_server.evaluation.manifest import RIGHT, WRONG, is_human
from audio_score_server.evaluation.ranking import Floats
from audio_score_server.evaluation.scores import Run, Scored


@dataclass(frozen=True, slots=True)
class Scores:
    """A run's scores in columns; arrays ``[trials]``.

    Attributes:
        recordings: number of the recording of each trial.
        labels: what is known of it.
        own: whether the clip is the recording's own.
        components: float64, NaN where an answer lacks one.
        measures: float64 by column of the manifest, NaN where nobody said anything and for
            impostors.
    """

    recordings: IntArray
    labels: tuple[str, ...]
    own: BoolArray
    components: Mapping[str, Floats]
    measures: Mapping[str, Floats]

    def labelled(self, label: str) -> BoolArray:
        """Which trials have a label."""
        return np.array([each == label for each in self.labels])


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the scores with one label lie.

    Attributes:
        count: how many.
        mean: of them.
        deciles: the lowest, nine between that part them into tenths, and the highest.
    """

    count: int
    mean: float
    deciles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """What one component is worth.

    Attributes:
        spreads: by label, of the trials that have it.
        discrimination: of right from wrong; None without both.
        reliability: None without both, or where it does not run from 0 to 1.
        correlations: by measure; those that cannot be told are left out.
    """

    spreads: Mapping[str, Spread]
    discrimination: Discrimination | None
    reliability: Reliability | None
    correlations: Mapping[str, Correlation]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What one model is worth.

    Attributes:
        model: its key.
        device: where it was.
        dtype: of its weights.
        recordings: number of recordings scored.
        trials: number of trials scored.
        seconds: how long they took.
        left_out: files that could not be used, with the reason.
        components: by name.
        others: what other programs' scores are worth by people's, by column and column.
    """

    model: str
    device: str
    dtype: str
    recordings: int
    trials: int
    seconds: float
    left_out: Mapping[str, str]
    components: Mapping[str, Component]
    others: Mapping[str, Mapping[str, Correlation]]


def tabulate(scored: list[Scored], measures: tuple[str, ...]) -> Scores:
    """The columns of a run with these measures; at least one trial."""
    names = dict.fromkeys(name for each in scored for name in each.components)
    numbers: dict[str, int] = {}
    return Scores(
        np.array([numbers.setdefault(str(each.trial.path), len(numbers)) for each in scored]),
        tuple(each.trial.label for each in scored),
        np.array([each.trial.own for each in scored]),
        {name: np.array([each.components.get(name, np.nan) for each in scored]) for name in names},
        {
            name: np.array([each.trial.measures.get(name, np.nan) for each in scored])
            for name in measures
        },
    )


def assess(run: Run, scores: Scores) -> Assessment:
    """Judge a model by its run and the same in columns."""
    return Assessment(
        run.model,
        run.info.device,
        run.info.dtype,
        len(np.unique(scores.recordings)),
        len(scores.labels),
        run.seconds,
        run.left_out,
        {name: _component(values, scores) for name, values in scores.components.items()},
        {
            name: _correlations(values, scores, people_only=True)
            for name, values in scores.measures.items()
            if not is_human(name)
        },
    )


def _component(values: Floats, scores: Scores) -> Component:
    known = np.isfinite(values)
    right, wrong = (known & scores.labelled(label) for label in (RIGHT, WRONG))
    judged = right | wrong
    both = right.any() and wrong.any()
    return Component(
        {
            label: _spread(values[known & scores.labelled(label)])
            for label in sorted(set(scores.labels), key=_rank)
            if (known & scores.labelled(label)).any()
        },
        discriminate(values[judged], right[judged], scores.recordings[judged]) if both else None,
        reliability(values[judged], right[judged]) if both else None,
        _correlations(np.where(scores.own, values, np.nan), scores, people_only=False),
    )


def _rank(label: str) -> tuple[bool, bool, str]:
    """Right, wrong, then all others by their names."""
    return label != RIGHT, label != WRONG, label


def _spread(values: Floats) -> Spread:
    deciles = np.percentile(values, np.arange(0, 101, 10))
    return Spread(len(values), float(values.mean()), tuple(map(float, deciles)))


def _correlations(values: Floats, scores: Scores, people_only: bool) -> dict[str, Correlation]:
    found = {
        name: correlate(values, measure)
        for name, measure in scores.measures.items()
        if is_human(name) or not people_only
    }
    return {name: correlation for name, correlation in found.items() if correlation is not None}
