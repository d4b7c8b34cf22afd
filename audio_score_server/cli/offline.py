"""What commands that work without a server have in common: settings, logs, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.flags import EXIT_SETTINGS, settings_from
from audio_score_server.errors import AudioScoreError, EvaluationError, NoModelError, SettingsError
from audio_score_server.settings import Settings
from audio_score_server.telemetry.logs import configure_logs

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
_EXIT_NO_MODEL: Final = 3
EXIT_STOPPED: Final = 130
STOPPED: Final = "Stopped."


def run_offline(
    flags: Mapping[str, Any],
    own: Collection[str],
    default_config: Path,
    work: Callable[[Settings], int],
    stopped: str = STOPPED,
) -> int:
    """Do a command's work with the settings that were given.

    Args:
        flags: settings given on the command line by name, ``config``, and the command's own flags.
        own: names of the latter.
        default_config: settings file where neither flag nor variable names one.
        work: gives the exit code.
        stopped: what Ctrl+C leaves, for people.

    Returns:
        Exit code: that of ``work``, 1 when it was broken off, 2 for wrong settings or recordings
        that cannot be evaluated, 3 without a model, 130 when stopped by Ctrl+C.
    """
    rest = {name: value for name, value in flags.items() if name not in own}
    settings = settings_from(rest, default_config)
    if settings is None:
        return EXIT_SETTINGS
    # Progress is shown in another way; what is left out is a warning.
    chosen = "log_level" in settings.model_fields_set
    configure_logs(settings.log_level if chosen else "warning", settings.log_format)
    try:
        return work(settings)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return EXIT_STOPPED
    except (AudioScoreError, OSError) as error:
        print(error, file=sys.stderr)
        return _code_of(error)


def _code_of(error: Exception) -> int:
    if isinstance(error, EvaluationError | SettingsError):
        return EXIT_SETTINGS
    return _EXIT_NO_MODEL if isinstance(error, NoModelError) else EXIT_FAILED
