"""The pictures of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from audio_score_server.domain import BoolArray
from audio_score_server.evaluation.assessment import Assessment, Component, Scores
from audio_score_server.evaluation.components import MAIN
from audio_score_server.evaluation.manifest import RIGHT, WRONG
from audio_score_server.evaluation.ranking import Floats, Ranking

# Told apart by the colour-blind, too (Okabe and Ito, 2008).
_RIGHT: Final = "#0072B2"
_WRONG: Final = "#D55E00"
_OTHERS: Final = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY: Final = "#777777"
_PANEL: Final = (3.6, 3.0)
_ACROSS: Final = 3
_DOTS_PER_INCH: Final = 130
_BINS: Final = 40
_RATES: Final = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
"""Ticks of error rates, spread as a normal distribution spreads them."""


def draw_all(assessment: Assessment, scores: Scores, folder: Path) -> list[Path]:
    """Draw what there is to see of one model.

    Args:
        assessment: of the model.
        scores: that it is of.
        folder: takes ``<model>-<picture>.png``.

    Returns:
        The files written.
    """
    answered = {name: assessment.components[name] for name in MAIN}
    figures = {"distributions": _distributions(answered, scores)}
    reasons = {name: each for name, each in assessment.components.items() if name not in answered}
    if reasons:
        figures["reasons"] = _distributions(reasons, scores)
    judged = {
        name: component
        for name, component in assessment.components.items()
        if name in MAIN and component.discrimination
    }
    if judged:
        figures["errors"] = _errors(judged, scores)
        figures["reliability"] = _reliability(judged)
    measures = [name for name in scores.measures if _correlated(assessment, name)]
    if measures:
        figures["measures"] = _scatter(assessment, scores, measures)
    written = []
    for name, figure in figures.items():
        written.append(folder / f"{assessment.model}-{name}.png")
        figure.savefig(written[-1], dpi=_DOTS_PER_INCH)
    return written


def _panels(count: int, across: int) -> tuple[Figure, list[Axes]]:
    down = math.ceil(count / across)
    size = _PANEL[0] * across, _PANEL[1] * down
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def _distributions(components: Mapping[str, Component], scores: Scores) -> Figure:
    """Of each component, how frequent its values are among the trials with each label."""
    figure, panels = _panels(len(components), _ACROSS)
    for panel, (name, component) in zip(panels, components.items(), strict=True):
        values = scores.components[name]
        known = np.isfinite(values)
        edges = _edges(values[known])
        for label in component.spreads:
            chosen = values[known & scores.labelled(label)]
            colour = _colour(label, list(component.spreads))
            # Each label's bars add up to one, however many trials it has.
            weights = np.full(len(chosen), 1 / len(chosen))
            panel.hist(
                chosen, edges.tolist(), weights=weights, color=colour, alpha=0.55, label=label
            )
        _mark_threshold(panel, component)
        panel.set_title(name, fontsize=10)
        panel.set_xlabel("score")
        panel.set_ylabel("share of trials")
    panels[0].legend(fontsize=8)
    return figure


def _edges(values: Floats) -> Floats:
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _colour(label: str, labels: list[str]) -> str:
    if label in (RIGHT, WRONG):
        return _RIGHT if label == RIGHT else _WRONG
    return _OTHERS[labels.index(label) % len(_OTHERS)]


def _mark_threshold(panel: Axes, component: Component) -> None:
    found = component.discrimination
    if found is not None and found.eer_threshold is not None:
        panel.axvline(found.eer_threshold, color=_GREY, linestyle="--", linewidth=1)


def _errors(judged: dict[str, Component], scores: Scores) -> Figure:
    """Both errors against each other, plainly (ROC) and as a normal distribution spreads (DET)."""
    figure, (plain, spread) = _panels(2, 2)
    for name, colour in zip(judged, (_RIGHT, _WRONG, _OTHERS[0]), strict=False):
        values = scores.components[name]
        right, wrong = (scores.labelled(label) & np.isfinite(values) for label in (RIGHT, WRONG))
        curve = Ranking(values[right | wrong], right[right | wrong]).curve()
        if curve is not None:
            plain.plot(curve.accepted, 1 - curve.rejected, color=colour, label=name)
            rates = (_on_scale(each, right | wrong) for each in (curve.accepted, curve.rejected))
            spread.plot(*rates, color=colour, label=name)
    plain.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1)
    plain.set(title="ROC", xlabel="wrong accepted", ylabel="right accepted")
    ticks = stats.norm.ppf(_RATES)
    names = [f"{rate:.1%}" if rate < 0.01 else f"{rate:.0%}" for rate in _RATES]
    spread.plot(ticks[[0, -1]], ticks[[0, -1]], color=_GREY, linestyle=":", linewidth=1)
    spread.set_xticks(ticks, names, fontsize=8)
    spread.set_yticks(ticks, names, fontsize=8)
    room = 0.2
    ends = ticks[0] - room, ticks[-1] + room
    spread.set(title="DET", xlabel="wrong accepted", ylabel="right rejected", xlim=ends, ylim=ends)
    plain.legend(fontsize=8, loc="lower right")
    return figure


def _on_scale(rates: Floats, trials: BoolArray) -> Floats:
    """Rates as normal deviates; none and all are as rare as can be seen with these trials."""
    least = min(_RATES[0], 0.5 / int(trials.sum()))
    return np.asarray(stats.norm.ppf(np.clip(rates, least, 1 - least)))


def _reliability(judged: dict[str, Component]) -> Figure:
    """The share of right readings among those with about the same score."""
    figure, panels = _panels(len(judged), _ACROSS)
    for panel, (name, component) in zip(panels, judged.items(), strict=True):
        panel.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1)
        if component.reliability is not None:
            bins = component.reliability.bins
            most = max(each.count for each in bins)
            sizes = [20 + 180 * each.count / most for each in bins]
            scores, shares = [each.score for each in bins], [each.right for each in bins]
            panel.plot(scores, shares, color=_RIGHT, linewidth=1)
            panel.scatter(scores, shares, sizes, color=_RIGHT, alpha=0.7)
        panel.set_title(name, fontsize=10)
        panel.set(xlabel="score", ylabel="share of right readings", xlim=(0, 1), ylim=(-0.05, 1.05))
    return figure


def _correlated(assessment: Assessment, measure: str) -> bool:
    return any(measure in each.correlations for each in assessment.components.values())


def _scatter(assessment: Assessment, scores: Scores, measures: list[str]) -> Figure:
    """Components down, measures across; a dot for each recording."""
    names = [name for name in assessment.components if name in MAIN]
    figure, panels = _panels(len(names) * len(measures), len(measures))
    chance = np.random.default_rng(0)
    cells = ((name, measure) for name in names for measure in measures)
    for panel, (name, measure) in zip(panels, cells, strict=True):
        given, values = scores.measures[measure], scores.components[name]
        # People give whole points: moved a little aside, dots do not hide each other.
        whole = bool(np.all(given[np.isfinite(given)] % 1 == 0))
        aside = chance.uniform(-0.2, 0.2, len(given)) if whole else 0.0
        panel.scatter(given + aside, values, 8, color=_RIGHT, alpha=0.5, linewidths=0)
        panel.set(xlabel=measure, ylabel=name)
        found = assessment.components[name].correlations.get(measure)
        if found is not None:
            panel.set_title(f"Spearman {found.spearman.value:.2f}", fontsize=9)
    return figure
