"""``audio-score clips``: drafts of the texts of clips that have none, for a person to read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.offline import EXIT_FAILED, EXIT_OK, run_offline
from audio_score_server.settings import Settings

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

    def work(settings: Settings) -> int:
        # Imported once the settings are known to be right.
        from audio_score_server.clip_drafts import accept_drafts, write_drafts
        from audio_score_server.library.sources import clip_folder

        if flags["accept"]:
            for name in accept_drafts(clip_folder(settings)):
                print(name)
            return EXIT_OK
        failed = write_drafts(settings, flags["model"], flags["language"])
        return EXIT_FAILED if failed else EXIT_OK

    stopped = "Stopped; drafts that are written stay."
    return run_offline(flags, _NAMES, default_config, work, stopped)
