"""Words in lines, where nobody knows their times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from audio_score_server.plotting import style
from audio_score_server.scoring.words import WordDetail

_PT: Final = 11.0
_LINE: Final = 26.0
_GAP: Final = 5.0


def word_list_height(words: Sequence[WordDetail], width: float) -> float:
    """Points that all words take in lines of a width."""
    places = _places(words, width)
    return _LINE * (places[-1][1] + 1) + _GAP if places else 0.0


def draw_word_list(axes: Axes, width: float, height: float, words: Sequence[WordDetail]) -> None:
    """Words coloured by their score, one after the other; what was heard instead beside them."""
    axes.set(xlim=(0, width), ylim=(0, max(height, 1)))
    axes.set_axis_off()
    for word, (left, line, wide) in zip(words, _places(words, width), strict=True):
        omission, insertion = word.status == "omission", word.status == "insertion"
        fill = style.colour(word.score)
        bottom = height - (line + 1) * _LINE
        axes.add_patch(
            Rectangle(
                (left, bottom),
                wide,
                _LINE - _GAP,
                facecolor="white" if omission else style.INSERTION if insertion else fill,
                edgecolor=style.FAINT
                if omission
                else style.INSERTION_EDGE
                if insertion
                else "none",
                linestyle="--",
            )
        )
        ink = style.FAINT if omission else style.INSERTION_EDGE if insertion else style.ink_on(fill)
        middle = left + wide / 2, bottom + (_LINE - _GAP) / 2
        axes.text(*middle, _label(word), fontsize=_PT, color=ink, ha="center", va="center_baseline")
        if omission:
            ends = [left + 5, left + wide - 5]
            axes.plot(ends, [middle[1]] * 2, color=style.SCALE(0.0), linewidth=1.1)


def _label(word: WordDetail) -> str:
    return f"{word.text} → {' '.join(word.heard)}" if word.status == "substitution" else word.text


def _places(words: Sequence[WordDetail], width: float) -> list[tuple[float, int, float]]:
    """Left end, line and width of each word."""
    places: list[tuple[float, int, float]] = []
    left, line = 0.0, 0
    for word in words:
        wide = min(width, _PT * style.ems(_label(word)) + 12)
        if left and left + wide > width:
            left, line = 0.0, line + 1
        places.append((left, line, wide))
        left += wide + _GAP
    return places
