"""The scenes of KitchenRobots."""

from __future__ import annotations

import math

from scripts.demo.canvas import Canvas
from scripts.demo.moment import Moment


def draw_pancake(now: Moment) -> Canvas:
    """A robot tosses a pancake."""
    canvas = draw_kitchen()
    phase = (now.seconds / 1.1) % 1
    rise = 4 * phase * (1 - phase)
    draw_robot(canvas, 112, now.loudness, look=2 - 5 * rise)
    pan = 108 + 8 * math.sin(2 * math.pi * phase)
    canvas.rod((140, 112), (176, pan), 8, "6f8fa6")
    canvas.rod((176, pan), (214, pan), 5, "3b3b45")
    canvas.oval(226, pan - 6 - 66 * rise, 25, 5 + 8 * rise * phase, "c98436")
    canvas.oval(226, pan - 8 - 66 * rise, 22, 3 + 8 * rise * phase, "f2bf6b")
    canvas.box(226, pan, 62, 8, "3b3b45", corner=4)
    return canvas


def draw_tomatoes(now: Moment) -> Canvas:
    """Tomatoes roll off a shelf; a robot watches."""
    canvas = draw_kitchen()
    draw_robot(canvas, 70, now.loudness, look=3)
    canvas.box(258, 66, 140, 7, "a9714b", corner=2)
    for index in range(7):
        draw_tomato(canvas, now.seconds - 0.15 - 0.42 * index, 206 + 18 * index)
    return canvas


def draw_tomato(canvas: Canvas, seconds: float, start: float) -> None:
    """A tomato which starts to roll at second zero, falls off the shelf's edge and bounces."""
    rolled = start - 95 * max(seconds, 0)
    falling = max(seconds - (start - 188) / 95, 0)
    drop = 240 * falling**2
    if drop > 84:
        since = falling - math.sqrt(84 / 240)
        drop = 84 - max(150 * since - 240 * since**2, 0)
    turn = (rolled - start) / 9
    x, y = rolled, 54 + drop
    canvas.disc(x, y, 9, "d8412f")
    canvas.disc(x - 3, y - 3, 2.5, "f08a6f")
    canvas.disc(x + 6 * math.sin(turn), y - 6 * math.cos(turn), 3, "4f8a3a")


def draw_kitchen() -> Canvas:
    """A wall and a worktop."""
    canvas = Canvas("fdf0d5", "f3d9b1")
    canvas.box(286, 24, 44, 60, "bfe3ee", corner=4)
    canvas.box(286, 24, 3, 60, "fffaf0")
    canvas.box(160, 166, 330, 34, "b5794f")
    canvas.box(160, 151, 330, 6, "d59a6a")
    return canvas


def draw_robot(canvas: Canvas, x: float, loudness: float, *, look: float) -> None:
    """A robot behind the worktop, looking up or down, its mouth open while it speaks."""
    canvas.rod((x, 40), (x, 24), 3, "6f8fa6")
    canvas.disc(x, 22, 4 + 2 * loudness, "ef6f5e")
    canvas.box(x, 122, 66, 52, "7ea6bd", corner=10)
    canvas.box(x, 126, 30, 20, "dcebf2", corner=4)
    canvas.disc(x - 6, 126, 3, "ef6f5e")
    canvas.disc(x + 6, 126, 3, "58b368")
    canvas.box(x, 66, 76, 56, "9cc3d5", corner=14)
    for side in (-1, 1):
        canvas.disc(x + 17 * side, 58, 10, "ffffff")
        canvas.disc(x + 17 * side + 3, 58 + look, 4.5, "263445")
    canvas.box(x, 81, 30, 3 + 11 * loudness, "3d4f63", corner=1.5)
