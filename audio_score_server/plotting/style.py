"""Colours, sizes and letters."""

from __future__ import annotations

import unicodedata
from typing import Final

from matplotlib.colors import LinearSegmentedColormap, to_rgb

INK: Final = "#1f2933"
FAINT: Final = "#7b8794"
RULE: Final = "#d9dee4"
CLIP: Final = "#8793a1"
DUB: Final = "#3e4c59"
CLIP_PITCH: Final = "#9aa5b1"
DUB_PITCH: Final = "#7b2d8b"
INSERTION: Final = "#f3e6f5"
INSERTION_EDGE: Final = "#7b2d8b"
SCALE: Final = LinearSegmentedColormap.from_list(
    "scores",
    [
        *((0.0, "#b8420f"), (0.25, "#e8873a"), (0.5, "#f6d27a")),
        *((0.6, "#e6e2c4"), (0.75, "#93c4dd"), (1.0, "#2b6ca3")),
    ],
)
"""From orange over yellow to blue: told apart with any kind of colour vision."""
LAST_RESORT: Final = "Last Resort High-Efficiency"
"""Comes with Matplotlib and has a box for every character, so that any text can be measured. The
viewer's own fonts write it."""
FONTS: Final = ("DejaVu Sans", LAST_RESORT, "sans-serif")
_WIDE_EM, _NARROW_EM = 1.0, 0.62


def colour(score: float) -> tuple[float, float, float]:
    """Of a score from 0 to 1."""
    return to_rgb(SCALE(score))


def ink_on(background: tuple[float, float, float]) -> str:
    """Black or white, whichever is read more easily (relative luminance, WCAG 2)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in background
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return INK if luminance > 0.2 else "white"


def ems(text: str) -> float:
    """About how wide a text is, over its size."""
    return sum(
        _WIDE_EM if unicodedata.east_asian_width(character) in "WF" else _NARROW_EM
        for character in text
        if not unicodedata.combining(character)
    )


def size_within(text: str, width: float, largest: float) -> float:
    """Size in points at which a text is at most ``width`` points wide."""
    return min(largest, max(width, 1.0) / max(ems(text), _NARROW_EM))


def shortened(text: str, length: int) -> str:
    """A text cut to so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
