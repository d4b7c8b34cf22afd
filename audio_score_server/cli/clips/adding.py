"""``audio-score clips add``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.clip_names import clip_name, named
from audio_score_server.cli.clips.places import ClipPlace, add_place_flags, run_at_place
from audio_score_server.cli.commands import Command
from audio_score_server.cli.flags import EXIT_SETTINGS
from audio_score_server.cli.offline import EXIT_FAILED, EXIT_OK
from audio_score_server.library.clip import ClipId
from audio_score_server.library.listing import clip_id_of

_DESCRIPTION: Final = (
    "Add a clip to a folder, or to a running server: a file with sound, and what is said in it."
)
_NAMES: Final = ("file", "clip", "text", "replace")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_place_flags(parser, changes=True)
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="The clip: video or sound.")
    add(
        "--clip",
        type=clip_name,
        metavar="UID/CID",
        help="Its ids; those of the file's name where left out.",
    )
    add("--text", help="What is said in it, word for word.")
    add("--replace", action="store_true", help="Replace a clip that is there, text and all.")


def _add(flags: Mapping[str, Any], default_config: Path) -> int:
    file: Path = flags["file"]
    clip_id: ClipId | None = flags["clip"] or clip_id_of(file.name)
    if clip_id is None:
        print(
            f"{file.name} is not called <uid>_<cid>{file.suffix}: name the clip with --clip.",
            file=sys.stderr,
        )
        return EXIT_SETTINGS

    def work(place: ClipPlace) -> int:
        if place.add(clip_id, file, flags["text"], flags["replace"]):
            print(named(clip_id))
            return EXIT_OK
        print(
            f"{named(clip_id)} is there already and is another; replace it with --replace.",
            file=sys.stderr,
        )
        return EXIT_FAILED

    return run_at_place(flags, _NAMES, default_config, work)


ADD: Final = Command("add", _add, _add_flags, _DESCRIPTION, "add a clip, or replace one")
