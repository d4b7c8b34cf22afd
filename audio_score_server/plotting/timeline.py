"""One stretch of time: clip over recording, and their melodies below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import MultipleLocator

from audio_score_server.domain import Contours, FloatArray
from audio_score_server.plotting import style
from audio_score_server.scoring.time_spans import TimeSpan, hull
from audio_score_server.scoring.words import WordDetail

_TOP: Final = 10.0
_BOX: Final = 0.95
"""Height of a word's box."""
_LARGEST_PT: Final = 10.0
_GAP_S: Final = 0.006
"""Between two boxes."""
_FAINTEST: Final = 0.02
"""Peak of full scale below which a waveform is not drawn any larger: silence stays a line."""
_SEMITONES: Final = 12
_LEAST_RANGE, _MOST_RANGE = 6.0, 15.0


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where one of the two sounds is drawn."""

    name: str
    middle: float
    box: float
    ink: str


_CLIP: Final = _Lane("clip", 8.55, 5.95, style.CLIP)
_DUB: Final = _Lane("recording", 1.45, 3.1, style.DUB)
_HALF: Final = 1.4
"""Height of a waveform's half."""


@dataclass(frozen=True, slots=True)
class DrawnSound:
    """A sound as it is drawn.

    Attributes:
        contours: of the sound.
        peak: that reaches the edge of its lane.
        median_hz: of its pitch; 0 where it has none.
    """

    contours: Contours
    peak: float
    median_hz: float


def drawn_sound(contours: Contours) -> DrawnSound:
    """A sound with what all its stretches share."""
    highest = max(np.abs(contours.lows).max(initial=0), np.abs(contours.highs).max(initial=0))
    voiced = contours.pitch_hz[contours.pitch_hz > 0]
    median = float(np.median(voiced)) if len(voiced) else 0.0
    return DrawnSound(contours, max(float(highest), _FAINTEST), median)


def draw_lanes(
    axes: Axes, stretch: TimeSpan, clip: DrawnSound, dub: DrawnSound, words: Sequence[WordDetail]
) -> None:
    """Waveforms, words, and ribbons from each word of the clip to the same in the recording."""
    axes.set(xlim=(stretch.start, stretch.end), ylim=(0, _TOP))
    axes.set_axis_off()
    for lane, sound in ((_CLIP, clip), (_DUB, dub)):
        axes.axhline(lane.middle, color=style.RULE, linewidth=0.8, zorder=1)
        _waveform(axes, stretch, lane, sound)
        axes.annotate(
            lane.name,
            (0, lane.middle),
            (-8, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9,
            color=style.FAINT,
        )
    for word in words:
        _word(axes, stretch, word)


def _waveform(axes: Axes, stretch: TimeSpan, lane: _Lane, sound: DrawnSound) -> None:
    contours = sound.contours
    times, inside = _times(contours, stretch)
    scale = _HALF / sound.peak
    axes.fill_between(
        times,
        lane.middle + scale * contours.lows[inside],
        lane.middle + scale * contours.highs[inside],
        color=lane.ink,
        linewidth=0.3,
        zorder=3,
    )


def _times(contours: Contours, stretch: TimeSpan) -> tuple[FloatArray, slice]:
    """Middles of the steps in a stretch, and which these are."""
    step = contours.step_s
    first = max(0, int(stretch.start / step) - 1)
    inside = slice(first, min(len(contours.level_db), int(stretch.end / step) + 2))
    return (np.arange(inside.start, max(inside.start, inside.stop)) + 0.5) * step, inside


def _word(axes: Axes, stretch: TimeSpan, word: WordDetail) -> None:
    clip, dub = word.reference, word.recording
    both = hull((clip, dub))
    if clip is not None and dub is not None and both is not None and _meet(both, stretch):
        _ribbon(axes, word, clip, dub)
    if clip is not None and _meet(clip, stretch):
        _box(axes, stretch, _CLIP, clip, word, word.text)
    if dub is not None and _meet(dub, stretch):
        _box(axes, stretch, _DUB, dub, word, " ".join(word.heard) or word.text)


def _meet(one: TimeSpan, other: TimeSpan) -> bool:
    return one.start < other.end and one.end > other.start


def _ribbon(axes: Axes, word: WordDetail, clip: TimeSpan, dub: TimeSpan) -> None:
    top, bottom = _CLIP.box, _DUB.box + _BOX
    corners = [(clip.start, top), (clip.end, top), (dub.end, bottom), (dub.start, bottom)]
    axes.add_patch(
        Polygon(corners, facecolor=style.colour(word.score), alpha=0.3, linewidth=0, zorder=2)
    )


def _box(
    axes: Axes, stretch: TimeSpan, lane: _Lane, span: TimeSpan, word: WordDetail, text: str
) -> None:
    omission, insertion = word.status == "omission", word.status == "insertion"
    fill = style.colour(word.score)
    start, width = span.start + _GAP_S / 2, span.end - span.start - _GAP_S
    axes.add_patch(
        Rectangle(
            (start, lane.box),
            width,
            _BOX,
            facecolor="white" if omission else style.INSERTION if insertion else fill,
            edgecolor=style.FAINT if omission else style.INSERTION_EDGE if insertion else "none",
            linestyle="--" if omission or insertion else "-",
            linewidth=0.9,
            zorder=4,
        )
    )
    if not omission:
        _tint(axes, lane, span, style.INSERTION_EDGE if insertion else fill)
    ink = style.FAINT if omission else style.INSERTION_EDGE if insertion else style.ink_on(fill)
    points = axes.get_window_extent().width * width / (stretch.end - stretch.start)
    size = style.size_within(text, points - 2, _LARGEST_PT)
    middle = start + width / 2, lane.box + _BOX / 2
    substitution = word.status == "substitution" and lane is _DUB
    axes.text(
        *middle,
        text,
        fontsize=size,
        style="italic" if substitution else "normal",
        color=ink,
        ha="center",
        va="center_baseline",
        clip_on=True,
        zorder=5,
    )
    if omission:
        axes.plot(
            [start + 0.1 * width, start + 0.9 * width],
            [middle[1]] * 2,
            color=style.SCALE(0.0),
            linewidth=1.1,
            zorder=6,
        )


def _tint(
    axes: Axes, lane: _Lane, span: TimeSpan, colour: str | tuple[float, float, float]
) -> None:
    """Behind the word's part of the waveform."""
    axes.add_patch(
        Rectangle(
            (span.start, lane.middle - _HALF),
            span.end - span.start,
            2 * _HALF,
            facecolor=colour,
            alpha=0.16,
            linewidth=0,
            zorder=0,
        )
    )


def draw_pitch(axes: Axes, stretch: TimeSpan, clip: DrawnSound, dub: DrawnSound) -> None:
    """Pitch of both in semitones around the median of each, and the time."""
    reach = float(np.clip(max(_reach(clip), _reach(dub)), _LEAST_RANGE, _MOST_RANGE))
    axes.set(xlim=(stretch.start, stretch.end), ylim=(-reach, reach))
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(style.RULE)
    axes.axhline(0, color=style.RULE, linewidth=0.8)
    for sound, ink, width in ((clip, style.CLIP_PITCH, 3.2), (dub, style.DUB_PITCH, 1.6)):
        times, inside = _times(sound.contours, stretch)
        axes.plot(times, _semitones(sound)[inside], color=ink, linewidth=width)
    axes.xaxis.set_major_locator(MultipleLocator(_tick_s(stretch)))
    axes.yaxis.set_major_locator(MultipleLocator(_SEMITONES / 2))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:+.0f}" if value else "0")
    axes.tick_params(colors=style.FAINT, labelsize=8, length=3, width=0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("semitones", fontsize=8, color=style.FAINT)


def _tick_s(stretch: TimeSpan) -> float:
    return 0.5 if stretch.end - stretch.start <= 8 else 1.0


def _semitones(sound: DrawnSound) -> FloatArray:
    """Around the median, ``[steps]``; NaN where there is no voice, which leaves a gap."""
    pitch = sound.contours.pitch_hz
    voiced = pitch > 0
    octaves = np.log2(np.where(voiced, pitch, 1.0) / (sound.median_hz or 1.0))
    return np.where(voiced, _SEMITONES * octaves, np.nan).astype(np.float32)


def _reach(sound: DrawnSound) -> float:
    """How far from its median a melody goes, rare slips aside."""
    semitones = np.abs(_semitones(sound)[sound.contours.pitch_hz > 0])
    return float(np.quantile(semitones, 0.95)) + 1 if len(semitones) else 0.0
