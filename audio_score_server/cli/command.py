"""``audio-score``: one name for every command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from audio_score_server import __version__
from audio_score_server.cli import clips, download, evaluate, gate, score, serve, transcribe
from audio_score_server.cli.commands import Command, Group, add_commands
from audio_score_server.cli.flags import add_flags

_EXIT_NOT_INSTALLED: Final = 3
"""As where no model can be loaded: a supervisor need not try again."""
_INSTALLED_BY: Final = {"audio_score_client": "audio-score-client (folder client/)"}
"""Modules that do not come with the server's extra."""


def _with_settings(
    flags: Mapping[str, str], add_arguments: Callable[[argparse.ArgumentParser], None]
) -> Callable[[argparse.ArgumentParser], None]:
    """What gives a command flags for settings, and its own."""

    def add(parser: argparse.ArgumentParser) -> None:
        add_flags(parser, flags)
        add_arguments(parser)

    return add


_COMMANDS: Final = (
    Command(
        "serve",
        serve.serve,
        partial(add_flags, flags=serve.FLAGS),
        serve.DESCRIPTION,
        "run one server",
    ),
    Command(
        "gate",
        gate.gate,
        gate.add_gate_flags,
        gate.GATE_DESCRIPTION,
        "run several servers behind Nginx",
    ),
    Command(
        "status",
        gate.status,
        gate.add_status_flags,
        gate.STATUS_DESCRIPTION,
        "show how these servers are",
    ),
    Command(
        "download",
        download.download,
        partial(add_flags, flags=download.FLAGS),
        download.DESCRIPTION,
        "fetch the models' checkpoints",
    ),
    Command(
        "score",
        score.score,
        _with_settings(score.FLAGS, score.add_arguments),
        score.DESCRIPTION,
        "score a recording",
    ),
    Command(
        "evaluate",
        evaluate.evaluate,
        _with_settings(evaluate.FLAGS, evaluate.add_arguments),
        evaluate.DESCRIPTION,
        "tell how well the models judge",
    ),
    Command(
        "transcribe",
        transcribe.transcribe,
        _with_settings(transcribe.FLAGS, transcribe.add_arguments),
        transcribe.DESCRIPTION,
        "transcribe recordings",
    ),
    Group("clips", clips.COMMANDS, clips.DESCRIPTION, "list and change the clips"),
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
    add_commands(parser, _COMMANDS)
    flags = vars(parser.parse_args(arguments))
    run = flags.pop("run")
    try:
        return int(run(flags, Path("config.json")))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(__package__.partition(".")[0]):
            raise
        package = _INSTALLED_BY.get(error.name or "", "audio-score-server[server]")
        print(
            f"This command needs {error.name}, which is not installed here; install {package}",
            file=sys.stderr,
        )
        return _EXIT_NOT_INSTALLED
