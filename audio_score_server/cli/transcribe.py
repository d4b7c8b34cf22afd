"""``audio-score transcribe``: recordings to subtitles and texts, without a server."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.offline import EXIT_FAILED, EXIT_OK, run_offline
from audio_score_server.settings import Settings

DESCRIPTION: Final = (
    "Transcribe recordings of any length, with the time of every word. What is written goes to "
    "standard output, or beside the recordings' names into a folder."
)
FLAGS: Final[Mapping[str, str]] = {
    "--models-dir": "models_dir",
    "--device": "device",
    "--log-level": "log_level",
}
FORMATS: Final = ("srt", "vtt", "json", "txt")
_NAMES: Final = ("files", "format", "words", "language", "model", "beam_size", "prompt", "output")
_MOST_BEAMS: Final = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command what is no setting of the server's."""
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE", help="Recordings, in any common format.")
    add("--format", choices=FORMATS, default="txt", help="What to write (%(default)s).")
    add("--words", action="store_true", help="Tell the time of every word (json, vtt).")
    add("--language", help="Code, such as en; found out where left out.")
    add("--model", help="Key of a model of the settings; the first that can where left out.")
    add(
        "--beam-size", type=_beam, default=5, help="Hypotheses at once; 1 is fastest (%(default)s)."
    )
    add("--prompt", default="", help="Text that goes before: names and spellings.")
    add("--output", type=Path, help="Folder for what is written, a file for each recording.")


def transcribe(flags: Mapping[str, Any], default_config: Path) -> int:
    """Transcribe recordings.

    Args:
        flags: settings given on the command line by name, ``config``, and what ``add_arguments``
            adds.
        default_config: settings file where neither flag nor variable names one.

    Returns:
        Exit code: 0 when all are transcribed, 1 when some could not be, 2 for wrong settings, 3
        without a model, 130 when stopped by Ctrl+C.
    """

    def work(settings: Settings) -> int:
        # Imported once the settings are known to be right.
        from audio_score_server.transcription_files import FileRequest, transcribe_files

        request = FileRequest(**{name: flags[name] for name in _NAMES})
        return EXIT_FAILED if transcribe_files(settings, request) else EXIT_OK

    return run_offline(flags, _NAMES, default_config, work)


def _beam(value: str) -> int:
    beam = int(value)
    if not 1 <= beam <= _MOST_BEAMS:
        raise argparse.ArgumentTypeError(f"{beam} is not from 1 to {_MOST_BEAMS}")
    return beam
