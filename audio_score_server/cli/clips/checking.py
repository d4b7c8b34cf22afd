"""``audio-score clips check``: what is wrong with a folder of clips, before it is deployed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.commands import Command
from audio_score_server.cli.flags import add_flags
from audio_score_server.cli.offline import EXIT_FAILED, EXIT_OK, run_offline
from audio_score_server.settings import Settings

_DESCRIPTION: Final = (
    "Listen to every clip of a folder and tell what is wrong: texts that do not fit the sound, "
    "noise, music, silence, clips that say the same, files that are not taken. English texts alone "
    "are compared with the sound."
)
_FLAGS: Final[Mapping[str, str]] = {"--device": "device", "--log-level": "log_level"}
_NAMES: Final = ("folder", "json")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, _FLAGS)
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        help="Folder of the clips; that of the settings if left out.",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def _check(flags: Mapping[str, Any], default_config: Path) -> int:
    """Check a folder; 1 where something is wrong, or it cannot be read."""

    def work(settings: Settings) -> int:
        # Imported once the settings are known to be right.
        from audio_score_server.library_check.report import as_json, as_table
        from audio_score_server.library_check.run import check_library

        count = 0

        def progress(clips: list[Any]) -> Iterable[Any]:
            from tqdm import tqdm

            nonlocal count
            count = len(clips)
            return tqdm(clips, desc="clips", unit="clip", disable=None, file=sys.stderr)

        findings = check_library(settings, flags["folder"], progress)
        print((as_json if flags["json"] else as_table)(findings, count))
        return EXIT_FAILED if findings else EXIT_OK

    return run_offline(flags, _NAMES, default_config, work, "Stopped; nothing was changed.")


CHECK: Final = Command("check", _check, _add_flags, _DESCRIPTION, "tell what is wrong with clips")
