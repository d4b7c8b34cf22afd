"""What a command is, and what makes it a part of ``audio-score``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Command(NamedTuple):
    """One command.

    Attributes:
        name: as it is typed.
        run: does it: given the flags by name and the default settings file, the exit code.
        add_flags: gives it its flags.
        description: for ``--help`` of its own.
        summary: for ``--help`` of what it is a part of.
    """

    name: str
    run: Callable[[dict[str, Any], Path], int]
    add_flags: Callable[[argparse.ArgumentParser], None]
    description: str
    summary: str


class Group(NamedTuple):
    """Commands about one thing: ``audio-score clips list``.

    Attributes:
        name: as it is typed.
        commands: its parts.
        description: for ``--help`` of its own.
        summary: for ``--help`` of ``audio-score``.
    """

    name: str
    commands: Sequence[Command]
    description: str
    summary: str


def add_commands(parser: argparse.ArgumentParser, commands: Sequence[Command | Group]) -> None:
    """Give a parser commands; the chosen one's ``run`` will be among its flags."""
    parts = parser.add_subparsers(required=True, metavar="command")
    for each in commands:
        part = parts.add_parser(each.name, help=each.summary, description=each.description)
        if isinstance(each, Group):
            add_commands(part, each.commands)
        else:
            each.add_flags(part)
            part.set_defaults(run=each.run)
