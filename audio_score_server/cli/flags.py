"""What the command lines share: flags that are settings, and settings that are wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from audio_score_server.errors import SettingsError
from audio_score_server.settings import Settings, load_settings

EXIT_SETTINGS: Final = 2


def add_flags(parser: argparse.ArgumentParser, flags: Mapping[str, str]) -> None:
    """Give a command ``--config`` and flags for settings.

    Args:
        parser: the command's.
        flags: flag to setting.
    """
    parser.epilog = "Flags go before AUDIO_SCORE_* variables, variables before the settings file."
    parser.add_argument("--config", help="Settings file (config.json).")
    for flag, name in flags.items():
        description = (Settings.model_fields[name].description or "").replace("`", "")
        parser.add_argument(flag, dest=name, help=description.replace("%", "%%"))


def settings_from(flags: Mapping[str, object], default_config: Path) -> Settings | None:
    """The settings; None where they are wrong, which standard error then tells."""
    try:
        return load_settings(flags, os.environ, default_config)
    except SettingsError as error:
        print(f"Wrong settings: {error}", file=sys.stderr)
        return None
