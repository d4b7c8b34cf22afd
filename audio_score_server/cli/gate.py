"""The command lines of the gateway: start it, and show its status."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from audio_score_server import __version__
from audio_score_server.cli.flags import EXIT_SETTINGS
from audio_score_server.errors import SettingsError
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.settings import (
    RENAMED,
    GatewaySettings,
    flag_of,
    load_gateway_settings,
)
from audio_score_server.settings import Settings, load_settings
from audio_score_server.settings.load import CONFIG_VARIABLE
from audio_score_server.telemetry.logs import configure_logs

GATE_DESCRIPTION: Final = "Run several servers behind Nginx and keep them running."
STATUS_DESCRIPTION: Final = (
    "Show the status of a gateway's processes: a table on a terminal, JSON otherwise."
)
_STATUS_FLAGS: Final = ("run_dir",)
_EPILOG: Final = "Flags go before AUDIO_SCORE_GATE_* variables."
_EXIT_INTERRUPTED: Final = 130


def main(default_config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run the gateway.

    Args:
        default_config: settings file where neither flag nor variable names one.
        arguments: the command line without the program; None for the process's own.

    Returns:
        Exit code: 0 after a signal, 1 for what keeps it from running, 2 for wrong settings, 3 when
        no worker is left.
    """
    parser = argparse.ArgumentParser(description=GATE_DESCRIPTION)
    parser.add_argument("--version", action="version", version=__version__)
    add_gate_flags(parser)
    return gate(vars(parser.parse_args(arguments)), default_config)


def add_gate_flags(parser: argparse.ArgumentParser) -> None:
    """Give a command a flag for each of the gateway's settings."""
    _add(parser, tuple(GatewaySettings.model_fields))
    for name in RENAMED:
        parser.add_argument(flag_of(name), dest=name, help=argparse.SUPPRESS)


def add_status_flags(parser: argparse.ArgumentParser) -> None:
    """Give a command the flags of ``status``."""
    _add(parser, _STATUS_FLAGS)


def _add(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    parser.epilog = _EPILOG
    for name in names:
        description = (GatewaySettings.model_fields[name].description or "").replace("`", "")
        parser.add_argument(flag_of(name), dest=name, help=description.replace("%", "%%"))


def gate(flags: Mapping[str, object], default_config: Path) -> int:
    """As ``main``, of flags that have been read."""
    # Counted from here wherever the servers are started.
    default = Path(os.environ.get(CONFIG_VARIABLE, "").strip() or default_config)
    try:
        settings = load_gateway_settings(flags, os.environ)
        config = (settings.config or default).absolute()
        server_flags = {
            "config": str(config),
            "model_keys": settings.model_keys,
            "log_level": settings.worker_log_level,
        }

        def read() -> Settings:
            return load_settings(server_flags, os.environ, config)

        servers = read()
    except SettingsError as error:
        print(f"Wrong settings: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    configure_logs("info" if settings.worker_log_level else servers.log_level, servers.log_format)
    # Imported once the settings are known to be right.
    from audio_score_server.gateway.resolve import LaunchOptions
    from audio_score_server.gateway.supervisor import launch

    worker_flags = {name.replace("_", "-"): value for name, value in server_flags.items()}
    try:
        return launch(LaunchOptions(settings, read, worker_flags, dict(os.environ)), servers)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED


def status(flags: Mapping[str, object], default_config: Path) -> int:
    """Show the status of a gateway's processes.

    Returns:
        Exit code: 0, also where some are not ready; 1 when there is none; 2 for wrong settings.
    """
    from audio_score_server.gateway.status import format_table, read_status

    try:
        found = read_status(load_gateway_settings(flags, os.environ).run_dir)
    except SettingsError as error:
        print(f"Wrong settings: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    except GatewayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    text = format_table(found, time.time()) if sys.stdout.isatty() else json.dumps(found, indent=2)
    print(text)
    return 0
