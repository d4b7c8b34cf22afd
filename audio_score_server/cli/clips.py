"""``audio-score clips``: drafts of the texts of clips that have none, for a person to read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.flags import EXIT_SETTINGS, settings_from
from audio_score_server.errors import AudioScoreError, NoModelError
from audio_score_server.settings import Settings
from audio_score_server.telemetry.logs import configure_logs

DESCRIPTION: Final = (
    "Write drafts of the texts of clips that have none, <clip>.txt.draft beside each. They count "
    "once a person has read them: correct them, then run again with --accept."
)
FLAGS: Final[Mapping[str, str]] = {
    "--clips-dir": "video_clip_dir",
    "--models-dir": "models_dir",
    "--device": "device",
    "--log-level": "log_level",
}
_NAMES: Final = ("action", "language", "model", "accept")
_EXIT_FAILED: Final = 1
_EXIT_NO_MODEL: Final = 3
_EXIT_STOPPED: Final = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command what is no setting of the server's."""
    add = parser.add_argument
    add("action", choices=("transcribe",), help="What to do with the clips.")
    add("--language", help="Code, such as en; found out for each clip where left out.")
    add("--model", help="Key of a model of the settings; the first that can where left out.")
    add("--accept", action="store_true", help="Make the drafts that there are the clips' texts.")


def clips(flags: Mapping[str, Any], default_config: Path) -> int:
    """Write drafts, or accept them.

    Args:
        flags: settings given on the command line by name, ``config``, and what ``add_arguments``
            adds.
        default_config: settings file where neither flag nor variable names one.

    Returns:
        Exit code: 0 when all is done, 1 when some clip could not be transcribed, 2 for wrong
        settings, 3 without a model, 130 when stopped by Ctrl+C.
    """
    rest = {name: value for name, value in flags.items() if name not in _NAMES}
    settings = settings_from(rest, default_config)
    if settings is None:
        return EXIT_SETTINGS
    chosen = "log_level" in settings.model_fields_set
    configure_logs(settings.log_level if chosen else "warning", settings.log_format)
    try:
        return _run(settings, flags)
    except KeyboardInterrupt:
        print("Stopped; drafts that are written stay.", file=sys.stderr)
        return _EXIT_STOPPED
    except NoModelError as error:
        print(error, file=sys.stderr)
        return _EXIT_NO_MODEL
    except (AudioScoreError, OSError) as error:
        print(error, file=sys.stderr)
        return _EXIT_FAILED


def _run(settings: Settings, flags: Mapping[str, Any]) -> int:
    # Imported once the settings are known to be right.
    from audio_score_server.clip_drafts import accept_drafts, write_drafts

    if flags["accept"]:
        for name in accept_drafts(settings.video_clip_dir):
            print(name)
        return 0
    return _EXIT_FAILED if write_drafts(settings, flags["model"], flags["language"]) else 0
