"""``audio-score clips list``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.clips.places import ClipPlace, add_place_flags, run_at_place
from audio_score_server.cli.commands import Command
from audio_score_server.cli.offline import EXIT_OK

_DESCRIPTION: Final = "List clips, one a line: UID/CID, a tab, and what is said."
_NAMES: Final = ("uid", "query", "json")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_place_flags(parser, changes=False)
    add = parser.add_argument
    add("--uid", help="Clips of this video alone.")
    add("--query", default="", help="Words that all are in the ids or the text.")
    add("--json", action="store_true", help="Write JSON, as GET /clips answers it.")


def _list(flags: Mapping[str, Any], default_config: Path) -> int:
    def work(place: ClipPlace) -> int:
        clips = place.clips(flags["uid"], flags["query"])
        if flags["json"]:
            print(json.dumps([clip._asdict() for clip in clips], ensure_ascii=False, indent=1))
            return EXIT_OK
        for clip in clips:
            text = " ".join((clip.text or "").split())
            print(f"{clip.uid}/{clip.cid}\t{text}".rstrip("\t"))
        return EXIT_OK

    return run_at_place(flags, _NAMES, default_config, work)


LIST: Final = Command("list", _list, _add_flags, _DESCRIPTION, "list clips")
