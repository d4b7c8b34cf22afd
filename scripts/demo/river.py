"""The scenes of RiverTales."""

from __future__ import annotations

import math

from scripts.demo.canvas import Canvas
from scripts.demo.moment import Moment


def draw_sunrise(now: Moment) -> Canvas:
    """A boat drifts toward the rising sun."""
    canvas = Canvas("f7b267", "ffe3b3")
    sun = 104 - 7 * now.seconds
    canvas.disc(252, sun, 40, "ffe9b0", 0.5)
    canvas.disc(252, sun, 27, "fff6d5")
    canvas.dome(60, 124, 110, 46, "c9828a")
    canvas.dome(170, 124, 90, 30, "d99a94")
    canvas.water(118, 16 * now.seconds, "7fb7be")
    draw_boat(canvas, 70 + 26 * now.seconds, 126 + 3 * math.sin(3 * now.seconds))
    canvas.water(134, -24 * now.seconds, "4a8fa3")
    canvas.water(156, 30 * now.seconds, "356f8a")
    return canvas


def draw_boat(canvas: Canvas, x: float, y: float) -> None:
    """A sailing boat, placed by the middle of its deck."""
    canvas.rod((x, y), (x, y - 54), 3, "7a4a34")
    canvas.triangle(((x + 3, y - 52), (x + 32, y - 8), (x + 3, y - 8)), "fffaf0")
    canvas.triangle(((x - 3, y - 44), (x - 3, y - 8), (x - 22, y - 8)), "ef6f5e")
    canvas.bowl(x, y - 2, 36, 20, "a4553d")


def draw_frog(now: Moment) -> Canvas:
    """A frog hops beside an umbrella that is not its own."""
    canvas = Canvas("d8f3dc", "b7e4c7")
    canvas.disc(44, 34, 18, "fff3b0")
    canvas.water(100, 12 * now.seconds, "74c2c9")
    canvas.water(138, -15 * now.seconds, "5aaeb9")
    sway = 3 * math.sin(2.2 * now.seconds)
    for x, y, wide in ((112, 142, 62), (228, 134, 56), (290, 164, 40)):
        canvas.oval(x + sway, y, wide, wide / 5, "3f8f5b")
        canvas.oval(x + sway, y - 2, wide - 4, wide / 5 - 2, "58b368")
    draw_umbrella(canvas, 228 + sway, 132, 4 * math.sin(3 * now.seconds))
    hop = 26 * abs(math.sin(3.2 * now.seconds))
    draw_frog_itself(canvas, 112 + sway, 118 - hop, now.loudness)
    return canvas


def draw_umbrella(canvas: Canvas, x: float, y: float, lean: float) -> None:
    """An open umbrella, placed by the foot of its stick."""
    top = x + lean
    canvas.rod((x, y), (top, y - 78), 3, "6b4f3a")
    canvas.dome(top, y - 44, 46, 36, "1f7a4d")
    canvas.dome(top, y - 44, 22, 36, "2fa866")


def draw_frog_itself(canvas: Canvas, x: float, y: float, loudness: float) -> None:
    """A frog, placed by the middle of its body."""
    for side in (-1, 1):
        canvas.oval(x + 24 * side, y + 16, 13, 9, "5f9e2f")
        canvas.disc(x + 15 * side, y - 24, 11, "7cbf3a")
        canvas.disc(x + 15 * side, y - 25, 7, "ffffff")
        canvas.disc(x + 15 * side + 2, y - 25, 3.5, "1b1b1b")
    canvas.oval(x, y, 30, 26, "7cbf3a")
    canvas.oval(x, y + 8, 19, 15, "cfe8a0")
    canvas.oval(x, y - 5, 12, 2 + 8 * loudness, "7a2e3a")


def draw_fireflies(now: Moment) -> Canvas:
    """A lantern swings in a night full of fireflies."""
    canvas = Canvas("141b3c", "35457a")
    canvas.disc(58, 40, 20, "f4efcf")
    canvas.disc(66, 36, 17, "1c2547")
    canvas.dome(250, 150, 130, 60, "1a2a4a")
    canvas.dome(70, 152, 150, 40, "16233f")
    canvas.water(146, 10 * now.seconds, "22386b")
    canvas.water(162, -14 * now.seconds, "1b2d59")
    draw_lantern(canvas, 0.35 * math.sin(2.4 * now.seconds))
    for index in range(14):
        draw_firefly(canvas, index, now.seconds)
    return canvas


def draw_lantern(canvas: Canvas, swing: float) -> None:
    """A lantern on a bent pole, swung by an angle."""
    x, y = 216 + 50 * math.sin(swing), 44 + 50 * math.cos(swing)
    canvas.rod((252, 180), (246, 44), 6, "4a3426")
    canvas.rod((246, 44), (216, 44), 5, "4a3426")
    canvas.rod((216, 44), (x, y), 1.5, "8a6a4a")
    for radius in (46, 32):
        canvas.disc(x, y + 14, radius, "ffcf6b", 0.16)
    canvas.box(x, y + 14, 24, 30, "e8613c", corner=9)
    canvas.box(x, y + 14, 12, 30, "ffd98a", corner=6)
    canvas.box(x, y, 16, 4, "4a3426", corner=1)


def draw_firefly(canvas: Canvas, index: int, seconds: float) -> None:
    """One of many fireflies, each on a path of its own."""
    x = (index * 67) % 300 + 10 + 14 * math.sin(1.7 * seconds + index)
    y = (index * 41) % 105 + 35 + 10 * math.cos(2.1 * seconds + 2 * index)
    glow = 0.55 + 0.45 * math.sin(3.5 * seconds + 1.3 * index)
    canvas.disc(x, y, 6, "d9f07a", 0.25 * glow)
    canvas.disc(x, y, 2.2, "f6ffb8", glow)
