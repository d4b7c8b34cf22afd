"""How well the configured models tell right readings from wrong ones, on one's own recordings."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.offline import EXIT_OK, run_offline
from audio_score_server.settings import Settings

DESCRIPTION: Final = (
    "Score labelled recordings through the same code as the server, and tell how well the scores "
    "part right readings from wrong ones and follow people's judgement. docs/evaluation.md "
    "explains folder and report."
)
FLAGS: Final = {"--model-keys": "model_keys", "--device": "device", "--log-level": "log_level"}
"""Flag to setting."""
_NAMES: Final = ("clips", "voice", "texts", "limit", "cache", "output", "compare")
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

    def work(settings: Settings) -> int:
        asked = {name: flags[name] for name in _NAMES} | {"manifest": flags["folder"]}
        print(_evaluate(settings, asked))
        return EXIT_OK

    own = (*_NAMES, "folder")
    return run_offline(flags, own, default_config, work, "Stopped; nothing is written.")


def _evaluate(settings: Settings, asked: Mapping[str, Any]) -> str:
    # Imported once the settings are known to be right.
    from audio_score_server.evaluation.run import Options, evaluate

    return evaluate(settings, Options(**asked))


def _count(value: str) -> int:
    count = int(value)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{count} is below 0")
    return count
