"""``audio-score transcribe``: recordings to subtitles and texts, without a server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_score_server.cli.flags import EXIT_SETTINGS, settings_from
from audio_score_server.errors import AudioScoreError, NoModelError
from audio_score_server.settings import Settings
from audio_score_server.telemetry.logs import configure_logs

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
_EXIT_FAILED: Final = 1
_EXIT_NO_MODEL: Final = 3
_EXIT_STOPPED: Final = 130
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
    asked = {name: flags[name] for name in _NAMES}
    rest = {name: value for name, value in flags.items() if name not in _NAMES}
    settings = settings_from(rest, default_config)
    if settings is None:
        return EXIT_SETTINGS
    chosen = "log_level" in settings.model_fields_set
    configure_logs(settings.log_level if chosen else "warning", settings.log_format)
    try:
        return _EXIT_FAILED if _failures(settings, asked) else 0
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return _EXIT_STOPPED
    except NoModelError as error:
        print(error, file=sys.stderr)
        return _EXIT_NO_MODEL
    except (AudioScoreError, OSError) as error:
        print(error, file=sys.stderr)
        return _EXIT_FAILED


def _failures(settings: Settings, asked: Mapping[str, Any]) -> int:
    # Imported once the settings are known to be right.
    from audio_score_server.transcription_files import FileRequest, transcribe_files

    return transcribe_files(settings, FileRequest(**asked))


def _beam(value: str) -> int:
    beam = int(value)
    if not 1 <= beam <= _MOST_BEAMS:
        raise argparse.ArgumentTypeError(f"{beam} is not from 1 to {_MOST_BEAMS}")
    return beam
