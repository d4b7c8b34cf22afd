"""``audio-score clips transcribe``: drafts of texts of clips that have none."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.commands import Command
from audio_score_server.cli.flags import add_flags
from audio_score_server.cli.offline import EXIT_FAILED, EXIT_OK, run_offline
from audio_score_server.settings import Settings

_DESCRIPTION: Final = (
    "Write drafts of the texts of clips that have none, <clip>.txt.draft beside each. They count "
    "once a person has read them: correct them, then run again with --accept."
)
_FLAGS: Final[Mapping[str, str]] = {
    "--clips-dir": "video_clip_dir",
    "--models-dir": "models_dir",
    "--device": "device",
    "--log-level": "log_level",
}
_NAMES: Final = ("language", "model", "accept")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, _FLAGS)
    add = parser.add_argument
    add("--language", help="Code, such as en; found out for each clip where left out.")
    add("--model", help="Key of a model of the settings; the first that can where left out.")
    add("--accept", action="store_true", help="Make the drafts that there are the clips' texts.")


def _transcribe(flags: Mapping[str, Any], default_config: Path) -> int:
    """Write drafts, or accept them; 1 where some clip could not be transcribed."""

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


TRANSCRIBE: Final = Command(
    "transcribe", _transcribe, _add_flags, _DESCRIPTION, "write drafts of clips' texts"
)
