"""``audio-score``: one name for every command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from audio_score_server import __version__
from audio_score_server.cli import download, serve
from audio_score_server.cli.flags import add_flags


def command(arguments: Sequence[str] | None = None) -> int:
    """Run a command; settings are in ``config.json`` of the working folder unless named otherwise.

    Args:
        arguments: the command line without the program; None for the process's own.

    Returns:
        The command's exit code.
    """
    parser = argparse.ArgumentParser(prog="audio-score", description=serve.DESCRIPTION)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for run, module, summary in (
        (serve.serve, serve, "run one server"),
        (download.download, download, "fetch the models' checkpoints"),
    ):
        part = commands.add_parser(run.__name__, help=summary, description=module.DESCRIPTION)
        add_flags(part, module.FLAGS)
        part.set_defaults(run=run)
    flags = vars(parser.parse_args(arguments))
    run = flags.pop("run")
    return int(run(flags, Path("config.json")))
