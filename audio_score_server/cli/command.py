"""``audio-score``: one name for every command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from audio_score_server import __version__
from audio_score_server.cli import clips, download, evaluate, gate, serve, transcribe
from audio_score_server.cli.flags import add_flags

_EXIT_NOT_INSTALLED: Final = 3
"""As where no model can be loaded: a supervisor need not try again."""


class _Command(NamedTuple):
    run: Callable[[dict[str, Any], Path], int]
    add_flags: Callable[[argparse.ArgumentParser], None]
    description: str
    summary: str


def _add_evaluate_flags(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, evaluate.FLAGS)
    evaluate.add_arguments(parser)


def _add_clips_flags(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, clips.FLAGS)
    clips.add_arguments(parser)


def _add_transcribe_flags(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, transcribe.FLAGS)
    transcribe.add_arguments(parser)


_COMMANDS: Final = (
    _Command(
        serve.serve, partial(add_flags, flags=serve.FLAGS), serve.DESCRIPTION, "run one server"
    ),
    _Command(
        gate.gate, gate.add_gate_flags, gate.GATE_DESCRIPTION, "run several servers behind Nginx"
    ),
    _Command(
        gate.status, gate.add_status_flags, gate.STATUS_DESCRIPTION, "show how these servers are"
    ),
    _Command(
        download.download,
        partial(add_flags, flags=download.FLAGS),
        download.DESCRIPTION,
        "fetch the models' checkpoints",
    ),
    _Command(
        evaluate.evaluate,
        _add_evaluate_flags,
        evaluate.DESCRIPTION,
        "tell how well the models judge",
    ),
    _Command(
        transcribe.transcribe,
        _add_transcribe_flags,
        transcribe.DESCRIPTION,
        "transcribe recordings",
    ),
    _Command(clips.clips, _add_clips_flags, clips.DESCRIPTION, "write drafts of clips' texts"),
)


def command(arguments: Sequence[str] | None = None) -> int:
    """Run a command; settings are in ``config.json`` of the working folder unless named otherwise.

    Args:
        arguments: the command line without the program; None for the process's own.

    Returns:
        The command's exit code; 3 where packages are missing that it needs.
    """
    parser = argparse.ArgumentParser(prog="audio-score", description=serve.DESCRIPTION)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for each in _COMMANDS:
        part = commands.add_parser(
            each.run.__name__, help=each.summary, description=each.description
        )
        each.add_flags(part)
        part.set_defaults(run=each.run)
    flags = vars(parser.parse_args(arguments))
    run = flags.pop("run")
    try:
        return int(run(flags, Path("config.json")))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(__package__.partition(".")[0]):
            raise
        print(
            f"This command needs {error.name}, which is not installed here; install "
            "audio-score-server[server]",
            file=sys.stderr,
        )
        return _EXIT_NOT_INSTALLED
