"""Pictures, painted shape by shape."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float64]

WIDTH: Final = 320
HEIGHT: Final = 180


class Canvas:
    """A picture on which smooth-edged shapes are painted, one over another."""

    def __init__(self, top: str, bottom: str) -> None:
        """Start with a vertical gradient between two colours."""
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
        self.x: Plane = columns
        self.y: Plane = rows
        share = (rows / HEIGHT)[..., np.newaxis]
        self._pixels = _rgb(top) * (1 - share) + _rgb(bottom) * share

    def paint(self, distance: Plane, colour: str, opacity: float = 1.0) -> None:
        """Colour the pixels whose distance from a shape is below zero."""
        cover = np.clip(0.5 - distance, 0, 1)[..., np.newaxis] * opacity
        self._pixels += cover * (_rgb(colour) - self._pixels)

    def disc(self, x: float, y: float, radius: float, colour: str, opacity: float = 1.0) -> None:
        """Paint a disc."""
        self.paint(np.hypot(self.x - x, self.y - y) - radius, colour, opacity)

    def oval(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Paint an ellipse, given its two radii."""
        self.paint(self.oval_distance(x, y, wide, high), colour)

    def oval_distance(self, x: float, y: float, wide: float, high: float) -> Plane:
        """Roughly the distance from an ellipse."""
        return (np.hypot((self.x - x) / wide, (self.y - y) / high) - 1) * min(wide, high)

    def dome(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Paint the upper half of an ellipse."""
        self.paint(np.maximum(self.oval_distance(x, y, wide, high), self.y - y), colour)

    def bowl(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Paint the lower half of an ellipse."""
        self.paint(np.maximum(self.oval_distance(x, y, wide, high), y - self.y), colour)

    def box(
        self, x: float, y: float, wide: float, high: float, colour: str, *, corner: float = 0.0
    ) -> None:
        """Paint a rectangle round a centre, its corners rounded."""
        across = np.abs(self.x - x) - wide / 2 + corner
        down = np.abs(self.y - y) - high / 2 + corner
        outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        self.paint(outside + np.minimum(np.maximum(across, down), 0) - corner, colour)

    def rod(
        self, start: tuple[float, float], end: tuple[float, float], thick: float, colour: str
    ) -> None:
        """Paint a line with round ends."""
        (x, y), (wide, high) = start, (end[0] - start[0], end[1] - start[1])
        along = ((self.x - x) * wide + (self.y - y) * high) / (wide**2 + high**2)
        nearest = np.clip(along, 0, 1)
        away = np.hypot(self.x - x - nearest * wide, self.y - y - nearest * high)
        self.paint(away - thick / 2, colour)

    def triangle(self, corners: tuple[tuple[float, float], ...], colour: str) -> None:
        """Paint a triangle, its corners named clockwise as seen."""
        edges = zip(corners, (*corners[1:], corners[0]), strict=True)
        sides = [
            ((self.x - x) * (toy - y) - (self.y - y) * (tox - x)) / math.hypot(tox - x, toy - y)
            for (x, y), (tox, toy) in edges
        ]
        self.paint(np.maximum.reduce(sides), colour)

    def water(self, level: float, shift: float, colour: str) -> None:
        """Paint everything below a wavy line."""
        self.paint(level + 2.5 * np.sin((self.x + shift) / 14) - self.y, colour)

    def to_bytes(self) -> bytes:
        """The picture as 8-bit RGB."""
        rounded: NDArray[np.uint8] = self._pixels.round().astype(np.uint8)
        return rounded.tobytes()


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[place : place + 2], 16) for place in (0, 2, 4)], dtype=np.float64)
