"""What stands above the sounds: the line, the three scores, warnings, and how to read the rest."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from audio_score_server.domain import Score
from audio_score_server.plotting import style
from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.timing import Timing

_TITLE_PT: Final = 16.0
_LONGEST_TITLE: Final = 110
_LEGEND: Final = 34.0
"""Height of its line above the header's lower edge."""


def draw_header(axes: Axes, width: float, height: float, detail: Detail, score: Score) -> None:
    """Draw in points from the lower left.

    Args:
        axes: without ticks, ``width`` by ``height`` points.
        width: in points.
        height: in points.
        detail: of the recording.
        score: the three numbers.
    """
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    title = style.shortened(detail.expected, _LONGEST_TITLE)
    size = style.size_within(title, width, _TITLE_PT)
    axes.text(0, height - 6, title, fontsize=size, color=style.INK, va="top")
    _scores(axes, height - 60, score)
    _warnings(axes, width, height - 50, detail.warnings)
    facts = _facts(detail)
    size = style.size_within(facts, width, 9.0)
    axes.text(0, 6, facts, fontsize=size, color=style.FAINT, va="bottom")
    _legend(axes, width)


def _scores(axes: Axes, bottom: float, score: Score) -> None:
    left = 0.0
    for name, value, size in (
        ("total", score.total, 26.0),
        ("audio", score.audio, 17.0),
        ("text", score.text, 17.0),
    ):
        digits = f"{value:.2f}"
        axes.text(left, bottom, digits, fontsize=size, color=style.INK, va="baseline")
        wide = len(digits) * size * 0.58
        axes.text(left + wide + 3, bottom, name, fontsize=9, color=style.FAINT, va="baseline")
        for extent, colour in ((1.0, style.RULE), (value, style.colour(value))):
            axes.add_patch(
                Rectangle((left, bottom - 10), wide * extent, 4, facecolor=colour, linewidth=0)
            )
        left += wide + 50


def _warnings(axes: Axes, right: float, middle: float, warnings: tuple[str, ...]) -> None:
    """One chip each, from the right."""
    for warning in reversed(warnings):
        text = warning.replace("_", " ")
        wide = len(text) * 7.6 + 20
        axes.add_patch(
            Rectangle(
                (right - wide, middle - 12), wide, 24, facecolor=style.SCALE(0.0), linewidth=0
            )
        )
        axes.text(
            right - wide / 2,
            middle,
            text,
            fontsize=12,
            color="white",
            ha="center",
            va="center_baseline",
        )
        right -= wide + 8


def _facts(detail: Detail) -> str:
    prosody = detail.prosody
    facts = [] if detail.timing is None else _times(detail.timing)
    if prosody.pitch_correlation is not None:
        facts.append(f"pitch {prosody.pitch_correlation:.2f}")
    if prosody.energy_correlation is not None:
        facts.append(f"energy {prosody.energy_correlation:.2f}")
    if detail.fluency is not None:
        facts.append(f"fluency {detail.fluency.overall:.2f}")
    return " · ".join(facts)


def _times(timing: Timing) -> list[str]:
    late = timing.start_offset_s
    facts = [f"starts {abs(late):.2f} s {'late' if late >= 0 else 'early'}"]
    facts.append(f"{timing.duration_ratio:.2f} times as long")
    if timing.onset_deviation is not None:
        facts.append(f"words off by {timing.onset_deviation.median_s:.2f} s")
    pauses = len(timing.pauses.recording), len(timing.pauses.reference)
    if any(pauses):
        facts.append(f"pauses {pauses[0]}, clip {pauses[1]}")
    return facts


def _legend(axes: Axes, width: float) -> None:
    """From the right: pitch, insertions, omissions, and the scale of scores."""
    items = (
        ("recording", style.DUB_PITCH, 1.6, None),
        ("clip", style.CLIP_PITCH, 3.2, None),
        ("insertion", style.INSERTION_EDGE, 0.9, style.INSERTION),
        ("omission", style.FAINT, 0.9, "white"),
    )
    right = width
    for name, ink, line, fill in items:
        right -= len(name) * 5.4
        axes.text(right, _LEGEND, name, fontsize=9, color=style.FAINT, va="bottom")
        if fill is None:
            axes.add_line(
                Line2D([right - 22, right - 5], [_LEGEND + 5] * 2, color=ink, linewidth=line)
            )
        else:
            axes.add_patch(
                Rectangle(
                    (right - 20, _LEGEND + 1), 15, 9, facecolor=fill, edgecolor=ink, linestyle="--"
                )
            )
        right -= 34
    _scale(axes, right - 84)


def _scale(axes: Axes, left: float) -> None:
    steps = np.linspace(0, 1, 24)
    for index, value in enumerate(steps):
        corner = left + 3 * index, _LEGEND + 1
        axes.add_patch(Rectangle(corner, 3.2, 9, facecolor=style.colour(value), linewidth=0))
    for place, text, side in ((left - 4.0, "word 0", "right"), (left + 76.0, "1", "left")):
        axes.text(place, _LEGEND, text, fontsize=9, color=style.FAINT, ha=side, va="bottom")
