"""A folder of clips as the server wants it, made of a plan's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tqdm import tqdm

from audio_score_server.errors import EvaluationError
from audio_score_server.evaluation.plan import Source
from audio_score_server.library.clip import ClipId

_UID: Final = "evaluation"
_SUFFIX: Final = ".wav"
"""Of every clip, whatever it holds: the server tells kinds of sound by their bytes."""
_ENGINE: Final = "flite"
_PATIENCE_S: Final = 60.0


def clip_id(place: int) -> ClipId:
    """What the clip of this number is called, as names of files may be no ids."""
    return ClipId(_UID, f"{place:06d}")


def fill(folder: Path, clips: tuple[Source, ...], voice: str | None, texts: bool) -> None:
    """Make a folder of clips.

    Args:
        folder: empty.
        clips: what is to be in it.
        voice: who speaks those without a sound.
        texts: whether texts are put beside the clips.

    Raises:
        EvaluationError: the voice cannot be had.
    """
    for place, clip in enumerate(tqdm(clips, desc="clips", unit="clip", disable=None)):
        path = folder / f"{clip_id(place)}{_SUFFIX}"
        if clip.path is not None:
            path.symlink_to(clip.path.absolute())
        else:
            _speak(clip.text or "", voice or "", path)
        if texts and clip.text:
            path.with_suffix(".txt").write_text(clip.text, encoding="utf-8")


def check_voice(voice: str) -> str:
    """The name of a voice of flite's.

    Args:
        voice: ``flite:slt``, say.

    Raises:
        EvaluationError: there is no such voice here.
    """
    engine, _, name = voice.partition(":")
    if engine != _ENGINE or not name:
        raise EvaluationError(f"--voice {voice}: unknown. A voice is called flite:slt, say.")
    known = _flite("-lv").stdout.partition(":")[2].split()
    if name not in known:
        raise EvaluationError(
            f"--voice {voice}: flite has no such voice; it has {', '.join(known)}."
        )
    return name


def _speak(text: str, voice: str, path: Path) -> None:
    # Words in capitals might be spelt out.
    result = _flite("-voice", voice, "-t", text.lower(), "-o", str(path))
    if result.returncode != 0 or not path.exists():
        raise EvaluationError(f"flite could not speak {text!r}: {result.stderr.strip()}.")


def _flite(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [_ENGINE, *arguments],
            capture_output=True,
            check=False,
            errors="replace",
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_PATIENCE_S,
        )
    except FileNotFoundError:
        raise EvaluationError(
            "--voice needs flite, which is not installed. Install it, or name a folder of clips "
            "with --clips."
        ) from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise EvaluationError(f"flite failed: {error}.") from error
