"""What commands with ``--server`` have in common: the client, its key, exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_score_server.cli.flags import EXIT_SETTINGS
from audio_score_server.cli.offline import EXIT_FAILED, EXIT_STOPPED, STOPPED

if TYPE_CHECKING:
    from audio_score_client import AudioScoreClient

_KEPT: Final = ("log_level",)
"""Settings that say nothing about where the work is done."""


def add_server_flag(parser: argparse.ArgumentParser) -> None:
    """Let a command be done by a running server."""
    parser.add_argument(
        "--server",
        metavar="URL",
        help="Address of a running server that does it, such as http://localhost:9000. Its API key "
        "is taken from AUDIO_SCORE_API_KEY.",
    )


def run_remote(
    flags: Mapping[str, Any],
    own: Collection[str],
    work: Callable[[AudioScoreClient], int],
    key_file: Path | None = None,
) -> int:
    """Do a command's work with a client of the server that ``--server`` names.

    Args:
        flags: settings given on the command line by name, ``config``, and the command's own flags.
        own: names of the latter.
        work: gives the exit code.
        key_file: holds the API key; the environment's where None.

    Returns:
        Exit code: that of ``work``, 1 when the server said no or is not there, 2 for flags or a
        key that cannot be, 130 when stopped by Ctrl+C.
    """
    # Imported here: whoever works without a server need not have it.
    from audio_score_client import AudioScoreClient, AudioScoreClientError

    given = [name for name, value in flags.items() if value is not None and name not in own]
    settings = [f"--{name.replace('_', '-')}" for name in given if name not in _KEPT]
    if settings:
        print(f"The server has settings of its own: leave out {settings[0]}.", file=sys.stderr)
        return EXIT_SETTINGS
    try:
        key = None if key_file is None else _key(key_file)
        client = AudioScoreClient(flags["server"], key)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    try:
        with client:
            return work(client)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return EXIT_STOPPED
    except (AudioScoreClientError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED


def _key(path: Path) -> str:
    """The first key of a file as servers have them.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds none.
    """
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    key = next((line for line in lines if line and not line.startswith("#")), None)
    if key is None:
        raise ValueError(f"{path} holds no key: one a line is needed.")
    return key
