"""The demo's lines, and by whose voices they are spoken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scripts.demo.cast import BAKER, CHILD, FOX, KEEPER, SAILOR, SISTER, SLOW, WEAVER
from training.kokoro import Voice


@dataclass(frozen=True, slots=True)
class Recording:
    """A file to send to the server."""

    name: str
    text: str
    voice: Voice


@dataclass(frozen=True, slots=True)
class Clip:
    """A reference clip, and the recordings of it.

    Attributes:
        line: as it is written beside the clip.
        said: the same with the pauses that the voices make.
    """

    name: str
    line: str
    said: str
    scene: str
    voice: Voice
    recordings: tuple[Recording, ...]


def _first_half(line: str) -> str:
    words = line.split()
    return " ".join(words[: len(words) // 2]).rstrip(",")


def _clip(
    name: str,
    line: str,
    *,
    said: str = "",
    scene: str,
    spoken: Voice,
    takes: Mapping[str, Voice],
    wrong: str,
) -> Clip:
    texts = {"wrong": wrong, "half": _first_half(line)}
    recordings = (
        Recording(f"{name}_{take}", texts.get(take.partition(".")[0], said or line), voice)
        for take, voice in takes.items()
    )
    return Clip(name, line, said or line, scene, spoken, tuple(recordings))


CLIPS: Final = (
    _clip(
        "RiverTales-s01e01_part01",
        "The little boat drifts slowly toward the morning sun.",
        # Without a pause it sounds as if the boat drift.
        said="The little boat drifts, slowly toward the morning sun.",
        scene="sunrise",
        spoken=BAKER,
        takes={
            "right.mp3": SAILOR,
            "other.m4a": FOX,
            "other2.webm": WEAVER,
            "half.wav": SAILOR,
            "wrong.ogg": KEEPER,
        },
        wrong="We should call your brother before the train arrives.",
    ),
    _clip(
        "RiverTales-s01e01_part02",
        "Hey, who left a green umbrella on my lily pad?",
        scene="frog",
        spoken=FOX,
        takes={
            "right.webm": SISTER,
            "other.mp3": KEEPER,
            "child.m4a": CHILD,
            "slow.ogg": SLOW,
            "half.ogg": BAKER,
            "wrong.m4a": KEEPER,
        },
        wrong="Yesterday we counted eleven buses from the window.",
    ),
    _clip(
        "RiverTales-s01e01_part03",
        "Keep the lantern low, the fireflies are going to sleep.",
        scene="fireflies",
        spoken=KEEPER,
        takes={
            "right.ogg": SAILOR,
            "other.webm": FOX,
            "half.m4a": SISTER,
            "wrong.mp3": FOX,
        },
        wrong="My winter jacket has two pockets and a broken zipper.",
    ),
    _clip(
        "KitchenRobots-s01e02_part01",
        "Watch me flip this pancake without dropping it!",
        scene="pancake",
        spoken=WEAVER,
        takes={
            "right.mp3": BAKER,
            "other.ogg": KEEPER,
            "other2.m4a": FOX,
            "child.webm": CHILD,
            "slow.mp3": SLOW,
            "half.flac": KEEPER,
            "wrong.webm": SAILOR,
        },
        wrong="Nobody told us that the library closes at four.",
    ),
    _clip(
        "KitchenRobots-s01e02_part02",
        "Seven tomatoes rolled off the shelf, and nobody even blinked.",
        scene="tomatoes",
        spoken=BAKER,
        takes={
            "right.m4a": FOX,
            "other.webm": SISTER,
            "half.ogg": KEEPER,
            "wrong.mp3": WEAVER,
        },
        wrong="Please put those heavy boxes beside the garage door.",
    ),
)
