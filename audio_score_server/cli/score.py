"""``audio-score score``: one recording against one clip, with a server or without."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_score_server.cli.clip_names import clip_name, named
from audio_score_server.cli.offline import EXIT_OK, run_offline
from audio_score_server.cli.remote import add_server_flag, run_remote
from audio_score_server.settings import Settings

if TYPE_CHECKING:
    from audio_score_client import AudioScoreClient

DESCRIPTION: Final = (
    "Score a recording: how close it comes to a clip, from 0 to 1. Without --server it is done "
    "here, with the clips, the cache and the models of the settings."
)
FLAGS: Final[Mapping[str, str]] = {
    "--clips-dir": "video_clip_dir",
    "--cache-dir": "cache_dir",
    "--models-dir": "models_dir",
    "--device": "device",
    "--log-level": "log_level",
}
_NAMES: Final = ("file", "clip", "model", "json", "server")
_SCORES: Final = ("model", "sim_score", "audio_sim_score", "text_sim_score")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command what is no setting of the server's."""
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="The recording, in any common format.")
    add("--clip", type=clip_name, required=True, metavar="UID/CID", help="What it performs.")
    add("--model", help="Key of a model; the first that can be loaded where left out.")
    add("--json", action="store_true", help="Write JSON, as POST /score answers it.")
    add_server_flag(parser)


def score(flags: Mapping[str, Any], default_config: Path) -> int:
    """Score a recording.

    Args:
        flags: settings given on the command line by name, ``config``, and what ``add_arguments``
            adds.
        default_config: settings file where neither flag nor variable names one.

    Returns:
        Exit code: 0 when it is scored, 1 when it cannot be, 2 for wrong settings, 3 without a
        model, 130 when stopped by Ctrl+C.
    """

    def here(settings: Settings) -> int:
        # Imported once the settings are known to be right.
        from audio_score_server.file_score import score_file

        return _show(flags, score_file(settings, flags["file"], flags["clip"], flags["model"]))

    def there(client: AudioScoreClient) -> int:
        clip = flags["clip"]
        told = client.score(flags["file"], clip.uid, clip.cid, flags["model"])
        return _show(flags, {name: getattr(told, name) for name in _SCORES})

    if flags["server"] is None:
        return run_offline(flags, _NAMES, default_config, here)
    return run_remote(flags, _NAMES, there)


def _show(flags: Mapping[str, Any], scores: Mapping[str, Any]) -> int:
    if flags["json"]:
        print(json.dumps({name: scores[name] for name in _SCORES}))
    else:
        print(
            f"{named(flags['clip'])}: {scores['sim_score']:.3f} "
            f"(audio {scores['audio_sim_score']:.3f}, text {scores['text_sim_score']:.3f}), "
            f"by {scores['model']}"
        )
    return EXIT_OK
