"""Films: a scene drawn frame by frame to the sound of a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np

from scripts.demo.canvas import Canvas
from scripts.demo.encoding import FRAMES_PER_SECOND, SAMPLE_RATE, Samples
from scripts.demo.kitchen import draw_pancake, draw_tomatoes
from scripts.demo.moment import Moment
from scripts.demo.river import draw_fireflies, draw_frog, draw_sunrise

Scene: TypeAlias = Callable[[Moment], Canvas]

SCENES: Final[Mapping[str, Scene]] = {
    "sunrise": draw_sunrise,
    "frog": draw_frog,
    "fireflies": draw_fireflies,
    "pancake": draw_pancake,
    "tomatoes": draw_tomatoes,
}


def draw_frames(scene: Scene, samples: Samples) -> Iterator[bytes]:
    """Draw a scene for as long as the sound lasts, in 8-bit RGB."""
    size = SAMPLE_RATE / FRAMES_PER_SECOND
    count = math.ceil(len(samples) / size)
    edges = [round(index * size) for index in range(1, count)]
    levels = [float(np.sqrt(np.mean(part**2))) for part in np.split(samples, edges)]
    for index, level in enumerate(levels):
        yield scene(Moment(index / FRAMES_PER_SECOND, level / max(levels))).to_bytes()
