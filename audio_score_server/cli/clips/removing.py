"""``audio-score clips remove``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.clip_names import clip_name, named
from audio_score_server.cli.clips.places import ClipPlace, add_place_flags, run_at_place
from audio_score_server.cli.commands import Command
from audio_score_server.cli.offline import EXIT_FAILED, EXIT_OK

_DESCRIPTION: Final = "Take clips, with their texts, out of a folder or a running server."
_NAMES: Final = ("clips",)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_place_flags(parser, changes=True)
    parser.add_argument(
        "clips", type=clip_name, nargs="+", metavar="UID/CID", help="Clips to take out."
    )


def _remove(flags: Mapping[str, Any], default_config: Path) -> int:
    def work(place: ClipPlace) -> int:
        code = EXIT_OK
        for clip_id in flags["clips"]:
            if place.remove(clip_id):
                print(named(clip_id))
            else:
                print(f"There is no clip {named(clip_id)}.", file=sys.stderr)
                code = EXIT_FAILED
        return code

    return run_at_place(flags, _NAMES, default_config, work)


REMOVE: Final = Command("remove", _remove, _add_flags, _DESCRIPTION, "take clips out")
