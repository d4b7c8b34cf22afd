"""Where clips are that a command lists or changes: in a folder, or with a server."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from audio_score_server.cli.flags import add_flags
from audio_score_server.cli.offline import run_offline
from audio_score_server.cli.remote import add_server_flag, run_remote
from audio_score_server.settings import Settings

if TYPE_CHECKING:
    from audio_score_client import AudioScoreClient
    from audio_score_server.library.clip import ClipId

FLAGS: Final[Mapping[str, str]] = {"--clips-dir": "video_clip_dir", "--log-level": "log_level"}
_OWN: Final = ("server", "admin_key_file")


class ListedClip(NamedTuple):
    """A clip as ``GET /clips`` lists it."""

    uid: str
    cid: str
    text: str | None
    etag: str


class ClipPlace(Protocol):
    """Where clips are. Errors are those of the library, or of the client."""

    def clips(self, uid: str | None, query: str) -> Iterable[ListedClip]:
        """In order of id: of one video or of all, those that hold every word of ``query``."""
        ...

    def add(self, clip_id: ClipId, file: Path, text: str | None, replace: bool) -> bool:
        """Put a clip there; False where there is one already that is not to be replaced."""
        ...

    def remove(self, clip_id: ClipId) -> bool:
        """Take a clip out; whether it was there."""
        ...


def add_place_flags(parser: argparse.ArgumentParser, changes: bool) -> None:
    """Let a command say where the clips are; ``changes``: whether it changes them."""
    add_flags(parser, FLAGS)
    add_server_flag(parser)
    if changes:
        parser.add_argument(
            "--admin-key-file",
            type=Path,
            metavar="FILE",
            help="File with an admin key of the server, in place of AUDIO_SCORE_API_KEY.",
        )


def run_at_place(
    flags: Mapping[str, Any],
    own: Collection[str],
    default_config: Path,
    work: Callable[[ClipPlace], int],
) -> int:
    """Do a command's work where its flags say that the clips are.

    Args:
        flags: settings given on the command line by name, ``config``, those of
            ``add_place_flags`` and the command's own.
        own: names of the latter.
        default_config: settings file where neither flag nor variable names one.
        work: gives the exit code.
    """
    known = (*own, *_OWN)
    if flags["server"] is None:

        def in_folder(settings: Settings) -> int:
            from audio_score_server.cli.clips.own_place import OwnPlace

            return work(OwnPlace(settings))

        return run_offline(flags, known, default_config, in_folder)

    def at_server(client: AudioScoreClient) -> int:
        from audio_score_server.cli.clips.server_place import ServerPlace

        return work(ServerPlace(client))

    return run_remote(flags, known, at_server, flags.get("admin_key_file"))
