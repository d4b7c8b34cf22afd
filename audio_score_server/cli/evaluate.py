"""How well the configured models tell right readings from wrong ones, on one's own recordings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.flags import EXIT_SETTINGS, settings_from
from audio_score_server.errors import EvaluationError, NoModelError, NotReady
from audio_score_server.settings import Settings
from audio_score_server.telemetry.logs import configure_logs

DESCRIPTION: Final = (
    "Score labelled recordings through the same code as the server, and tell how well the scores "
    "part right readings from wrong ones and follow people's judgement. docs/evaluation.md "
    "explains folder and report."
)
FLAGS: Final = {"--model-keys": "model_keys", "--device": "device", "--log-level": "log_level"}
"""Flag to setting."""
_EXIT_OK: Final = 0
_EXIT_FAILED: Final = 1
_EXIT_NO_MODEL: Final = 3
_EXIT_STOPPED: Final = 130
_LIMIT: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command what is no setting of the server's."""
    parser.add_argument(
        "folder", type=Path, help="Recordings and their manifest.csv; or a manifest by its name."
    )
    parser.add_argument("--output", type=Path, help="Folder for report, scores and pictures.")
    parser.add_argument("--compare", type=Path, help="An earlier report.json to compare with.")
    clips = parser.add_mutually_exclusive_group()
    clips.add_argument(
        "--clips", type=Path, help="Folder of the clips, called like the recordings."
    )
    clips.add_argument("--voice", help="Have the texts spoken for clips, by flite:slt, say.")
    parser.add_argument(
        "--no-texts",
        dest="texts",
        action="store_false",
        help="Do not tell the models what is said in the clips.",
    )
    parser.add_argument(
        "--limit",
        type=_count,
        default=_LIMIT,
        help="Most clips of other lines that each recording is scored against (%(default)s).",
    )
    parser.add_argument(
        "--cache", type=Path, help="Folder that keeps what the models make of the clips."
    )


def evaluate(flags: Mapping[str, Any], default_config: Path) -> int:
    """Evaluate the chosen models.

    Args:
        flags: settings given on the command line by name, ``config``, and what ``add_arguments``
            adds.
        default_config: settings file where neither flag nor variable names one.

    Returns:
        Exit code: 0 when all is told, 1 when a model or the unforeseen broke it off, 2 for wrong
        settings or recordings that cannot be evaluated, 3 without a model, 130 when stopped by
        Ctrl+C.
    """
    names = ("clips", "voice", "texts", "limit", "cache", "output", "compare")
    asked = {name: flags[name] for name in names} | {"manifest": flags["folder"]}
    rest = {name: value for name, value in flags.items() if name not in {*names, "folder"}}
    settings = settings_from(rest, default_config)
    if settings is None:
        return EXIT_SETTINGS
    # Progress is shown in another way; what is left out is a warning.
    chosen = "log_level" in settings.model_fields_set
    configure_logs(settings.log_level if chosen else "warning", settings.log_format)
    try:
        print(_evaluate(settings, asked))
    except KeyboardInterrupt:
        print("Stopped; nothing is written.", file=sys.stderr)
        return _EXIT_STOPPED
    except (EvaluationError, NoModelError, NotReady) as error:
        print(error, file=sys.stderr)
        return _EXIT_CODES[type(error)]
    return _EXIT_OK


_EXIT_CODES: Final[Mapping[type[Exception], int]] = {
    EvaluationError: EXIT_SETTINGS,
    NoModelError: _EXIT_NO_MODEL,
    NotReady: _EXIT_FAILED,
}


def _evaluate(settings: Settings, asked: Mapping[str, Any]) -> str:
    # Imported once the settings are known to be right.
    from audio_score_server.evaluation.run import Options, evaluate

    return evaluate(settings, Options(**asked))


def _count(value: str) -> int:
    count = int(value)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{count} is below 0")
    return count
