"""The numbers of an answer, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from statistics import fmean
from typing import Final

from audio_score_server.pipelines.protocol import Judgement

MAIN: Final = ("sim_score", "audio_sim_score", "text_sim_score")
REASONS: Final = (
    *("words.score", "delivery.overall", "delivery.rhythm", "delivery.pace"),
    *("timing.duration_ratio", "melody.pitch", "melody.level", "verdicts"),
)
"""Of the detail's numbers, those that could tell good recordings from others."""
_SCORE: Final = "score"


def components(judgement: Judgement) -> dict[str, float]:
    """The three numbers of every answer, then those of its detail that may tell something.

    What is inside of something is called by both names, with a dot between them. Of several parts
    of one kind, words say, the mean of their scores is told; of texts, how many they are.
    """
    score = judgement.score
    main = dict(zip(MAIN, (score.total, score.audio, score.text), strict=True))
    reasons = judgement.explanation
    if reasons is None:
        return main
    told = dict(_numbers(reasons.detail, ""))
    return main | {name: told[name] for name in REASONS if name in told}


def _numbers(value: object, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, bool | int | float):
        yield name, float(value)
    elif isinstance(value, tuple):
        yield from _summed_up(value, name)
    elif is_dataclass(value):
        for field in fields(value):
            inner = f"{name}.{field.name}" if name else field.name
            yield from _numbers(getattr(value, field.name), inner)


def _summed_up(parts: tuple[object, ...], name: str) -> Iterator[tuple[str, float]]:
    if all(isinstance(part, str) for part in parts):
        yield name, float(len(parts))
        return
    found: dict[str, list[float]] = defaultdict(list)
    for part in parts:
        for inner, number in _numbers(part, name):
            if inner.endswith(f".{_SCORE}"):
                found[inner].append(number)
    yield from ((inner, fmean(numbers)) for inner, numbers in found.items())
