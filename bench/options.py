"""What the programs' command lines have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser that describes its program by the first line of the module's docstring."""
    return argparse.ArgumentParser(description=(doc or "").partition("\n")[0])


def count(text: str) -> int:
    """A number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def counts(text: str) -> list[int]:
    """Numbers from 1 on, comma separated."""
    return [count(word) for word in text.split(",")]


def names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Comma-separated words, each of which must be one of the known ones."""

    def parse(text: str) -> list[str]:
        for word in text.split(","):
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is not one of {', '.join(known)}")
        return text.split(",")

    return parse
