"""The command line of one server process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audio_score_server import __version__
from audio_score_server.errors import SettingsError
from audio_score_server.logs import configure_logs
from audio_score_server.settings import Settings, load_settings

FLAGS: Final = {
    "--host": "server_host",
    "--port": "server_port",
    "--socket": "server_socket",
    "--model-keys": "model_keys",
    "--device": "device",
    "--log-level": "log_level",
}
"""Flag to setting."""
_EXIT_SETTINGS: Final = 2


def main(default_config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a server.

    Args:
        default_config: settings file where neither flag nor variable names one.
        arguments: the command line without the program; None for the process's own.

    Returns:
        Exit code: 0 after a signal, 1 for the unforeseen, 2 for wrong settings, 3 without a model.
    """
    flags = vars(_parser().parse_args(arguments))
    try:
        settings = load_settings(flags, os.environ, default_config)
    except SettingsError as error:
        print(f"Wrong settings: {error}", file=sys.stderr)
        return _EXIT_SETTINGS
    configure_logs(settings.log_level, settings.log_format)
    # Imported once the settings are known to be right: torch alone takes a second.
    from audio_score_server.server import serve

    return serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Score voice recordings against reference clips over HTTP.",
        epilog="Flags go before AUDIO_SCORE_* variables, variables before the settings file.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--config", help="Settings file (config.json).")
    for flag, name in FLAGS.items():
        description = (Settings.model_fields[name].description or "").replace("`", "")
        parser.add_argument(flag, dest=name, help=description.replace("%", "%%"))
    return parser
