"""Sentences of our own for synthetic voices: varied words, every phone, no corpus copied."""

from __future__ import annotations

import random
import sqlite3
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import gruut_lang_en

_PHRASES: Final = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text("utf-8"))
_WORD_LIST_SHARE: Final = 0.25
"""Share of lists of dictionary words: sequences of phones that no sentence has."""


def sentences(count: int, seed: int) -> list[str]:
    """``count`` different sentences, the same for the same seed."""
    chance = random.Random(seed)
    chosen: dict[str, None] = {}
    while len(chosen) < count:
        chosen[_sentence(chance)] = None
    return list(chosen)


@cache
def _dictionary() -> tuple[str, ...]:
    path = Path(gruut_lang_en.__file__).with_name("lexicon.db")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT DISTINCT word FROM word_phonemes ORDER BY word")
        return tuple(word for (word,) in rows if word.isalpha() and 3 <= len(word) <= 9)


def _sentence(chance: random.Random) -> str:
    if chance.random() < _WORD_LIST_SHARE:
        return " ".join(chance.choices(_dictionary(), k=chance.randint(3, 6))).capitalize() + "."
    slots = {
        "s": chance.choice(_PHRASES["subjects"]),
        "v": chance.choice(_PHRASES["verbs"]),
        "o": chance.choice(_PHRASES["objects"]),
        "o2": chance.choice(_PHRASES["objects"]),
        "p": chance.choice(_PHRASES["places"]),
        "t": chance.choice(_PHRASES["times"]),
        "a": chance.choice(_PHRASES["adjectives"]),
        "n": " ".join(chance.choice(_PHRASES["numbers"]) for _ in range(chance.randint(3, 5))),
    }
    pattern = chance.choice(
        (
            *("{s} {v} {o} {p}.", "{s} {v} {o} {t}.", "{t}, {s} {v} {o}.", "{s} {v} {o}."),
            *("{o} was {a} {t}.", "the {a} one is {p}.", "{s} was {p} {t}."),
            *(
                chance.choice(_PHRASES["questions"]) + "?",
                chance.choice(_PHRASES["questions"]) + "?",
            ),
            *(
                "{n}.",
                chance.choice(_PHRASES["exclamations"]) + " {s} {v} {o}.",
                chance.choice(_PHRASES["exclamations"]),
            ),
        )
    )
    text = pattern.format(**slots)
    return text[0].upper() + text[1:]
