"""The command line of one server process."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from audio_score_server import __version__
from audio_score_server.cli.flags import EXIT_SETTINGS, add_flags, settings_from
from audio_score_server.telemetry.logs import configure_logs

DESCRIPTION: Final = "Score voice recordings against reference clips over HTTP."
FLAGS: Final = {
    "--host": "server_host",
    "--port": "server_port",
    "--socket": "server_socket",
    "--model-keys": "model_keys",
    "--device": "device",
    "--log-level": "log_level",
}
"""Flag to setting."""
_CACHED_SHAPES: Final = ("LRU_CACHE_CAPACITY", "64")
"""PyTorch keeps 23 kB for each length of sound that a convolution has met, for 1024 of them unless
told otherwise before it is imported. Hardly two recordings have one length, and those that do are
no faster for it."""


def main(default_config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a server.

    Args:
        default_config: settings file where neither flag nor variable names one.
        arguments: the command line without the program; None for the process's own.

    Returns:
        Exit code: 0 after a signal, 1 for the unforeseen, 2 for wrong settings, 3 without a model.
    """
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=__version__)
    add_flags(parser, FLAGS)
    return serve(vars(parser.parse_args(arguments)), default_config)


def serve(flags: Mapping[str, object], default_config: Path) -> int:
    """As ``main``, of flags that have been read."""
    settings = settings_from(flags, default_config)
    if settings is None:
        return EXIT_SETTINGS
    configure_logs(settings.log_level, settings.log_format)
    os.environ.setdefault(*_CACHED_SHAPES)
    # Imported once the settings are known to be right: torch alone takes a second.
    from audio_score_server.serving.server import serve

    return serve(settings)
