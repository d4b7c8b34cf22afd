"""The picture as a whole, by Matplotlib into SVG."""

from __future__ import annotations

import io
import math
import threading
from contextlib import AbstractContextManager
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audio_score_server.domain import Contours, Score
from audio_score_server.plotting import style
from audio_score_server.plotting.header import draw_header
from audio_score_server.plotting.timeline import draw_lanes, draw_pitch, drawn_sound
from audio_score_server.plotting.word_list import draw_word_list, word_list_height
from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.time_spans import TimeSpan

_DRAWING: Final = threading.Lock()
"""Matplotlib's settings belong to the whole process, and its text is not made for threads."""
_PT: Final = 72.0
_WIDTH, _LEFT, _RIGHT, _MARGIN = 940.0, 68.0, 22.0, 18.0
_HEADER, _LANES, _PITCH, _TIME = 126.0, 250.0, 88.0, 34.0
_LONGEST_S: Final = 7.0
"""Longer recordings go on below, as music does."""
_SHORTEST_S: Final = 1.5


def draw(detail: Detail, score: Score, reference: Contours, recording: Contours) -> bytes:
    """A picture of a recording over against its clip.

    Both sounds lie over one time axis: waveforms, words coloured by their score and joined by
    ribbons, and the melodies. Words whose times nobody knows stand above instead.

    Args:
        detail: of the recording.
        score: its three numbers.
        reference: contours of the clip.
        recording: contours of the recording.

    Returns:
        SVG in UTF-8, the same for the same values.
    """
    with _DRAWING, _settings():
        figure = _figure(detail, score, reference, recording)
        buffer = io.BytesIO()
        metadata = {"Date": None, "Title": detail.expected}
        figure.savefig(buffer, format="svg", metadata=metadata)
    # Named for measuring only.
    return buffer.getvalue().replace(f"'{style.LAST_RESORT}', ".encode(), b"")


def _settings() -> AbstractContextManager[None]:
    return mpl.rc_context(
        {
            "svg.fonttype": "none",  # text stays text: small, sharp, searched and read aloud
            "svg.hashsalt": "audio-score",  # else names are random
            "text.parse_math": False,  # a clip may speak of dollars
            "font.family": list(style.FONTS),
            "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
        }
    )


def _figure(detail: Detail, score: Score, reference: Contours, recording: Contours) -> Figure:
    clip, dub = drawn_sound(reference), drawn_sound(recording)
    stretches = _stretches(max(_seconds(reference), _seconds(recording)))
    timed = any(word.reference or word.recording for word in detail.words)
    width = _WIDTH - _LEFT - _RIGHT
    text = 0.0 if timed else word_list_height(detail.words, width)
    stave = _LANES + _PITCH + _TIME
    height = 2 * _MARGIN + _HEADER + text + len(stretches) * stave
    figure = Figure(figsize=(_WIDTH / _PT, height / _PT), dpi=_PT, facecolor="white")
    top = height - _MARGIN - _HEADER
    draw_header(_axes(figure, top, _HEADER), width, _HEADER, detail, score)
    if not timed:
        top -= text
        draw_word_list(_axes(figure, top, text), width, text, detail.words)
    for stretch in stretches:
        top -= stave
        draw_lanes(_axes(figure, top + _TIME + _PITCH, _LANES), stretch, clip, dub, detail.words)
        draw_pitch(_axes(figure, top + _TIME, _PITCH), stretch, clip, dub)
    return figure


def _axes(figure: Figure, bottom: float, height: float) -> Axes:
    """Across the picture, at a height in points."""
    whole = figure.get_figheight() * _PT
    width = _WIDTH - _LEFT - _RIGHT
    return figure.add_axes((_LEFT / _WIDTH, bottom / whole, width / _WIDTH, height / whole))


def _seconds(contours: Contours) -> float:
    return len(contours.level_db) * contours.step_s


def _stretches(seconds: float) -> list[TimeSpan]:
    """As few as are needed, all of one length."""
    count = max(1, math.ceil(seconds / _LONGEST_S))
    each = max(seconds / count, _SHORTEST_S)
    return [TimeSpan(place * each, (place + 1) * each) for place in range(count)]
