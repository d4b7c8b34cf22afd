"""What is wrong with the files of a folder, before any is decoded."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audio_score_server.library.clip import ClipId
from audio_score_server.library.files import read_regular
from audio_score_server.library.listing import SUFFIXES, clip_id_of
from audio_score_server.library.sidecar import SUFFIXES as TEXT_SUFFIXES
from audio_score_server.library.sidecar import decoded, spoken_of
from audio_score_server.library_check.findings import Finding

_DRAFT: Final = ".draft"


def check_names(folder: Path) -> list[Finding]:
    """What is wrong with names, texts and folders.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as scan:
        entries = sorted(
            (each for each in scan if not each.name.startswith(".")), key=lambda each: each.name
        )
    files = [each.name for each in entries if not _is_folder(each)]
    findings = [
        Finding(_printable(each.name), "subfolder", "clips in folders are not looked for")
        for each in entries
        if _is_folder(each)
    ]
    clips: defaultdict[ClipId, list[str]] = defaultdict(list)
    for name in files:
        if name.lower().endswith(SUFFIXES):
            clip_id = clip_id_of(name)
            if clip_id is None or not _is_regular(folder / name):
                findings.append(Finding(_printable(name), "skipped_name", "it is not taken"))
            else:
                clips[clip_id].append(name)
    for names in clips.values():
        findings += _doubles(names)
    stems = {os.path.splitext(name)[0] for names in clips.values() for name in names}
    findings += _stray_texts(files, stems)
    for names in clips.values():
        findings += check_text(folder, names[0])
    return findings


def _doubles(names: list[str]) -> Iterator[Finding]:
    ranked = sorted(names, key=lambda name: SUFFIXES.index(os.path.splitext(name)[1].lower()))
    for name in ranked[1:]:
        yield Finding(name, "double_file", f"{ranked[0]} is the same clip, and is taken")


def _stray_texts(files: list[str], stems: set[str]) -> Iterator[Finding]:
    for name in files:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in TEXT_SUFFIXES and stem not in stems:
            yield Finding(_printable(name), "stray_text", "no clip has its name")


def check_text(folder: Path, clip: str) -> Iterator[Finding]:
    """What is wrong with the text beside a clip, as far as one can see without listening."""
    stem = os.path.splitext(clip)[0]
    candidates = [f"{stem}{suffix}" for lower in TEXT_SUFFIXES for suffix in (lower, lower.upper())]
    for name in candidates:
        try:
            written, is_sure = decoded(read_regular(folder / name))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeError):
            yield Finding(name, "unreadable_text", "the clip is used without it")
            return
        if not is_sure:
            yield Finding(name, "guessed_encoding", "not in UTF-8; taken for Windows-1252")
        if spoken_of(written).text:
            return
    yield Finding(clip, "no_text", "what is said is known from what a model hears alone")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_regular(path: Path) -> bool:
    """Whether it is a file; of a link to nowhere, the sound cannot be decoded, which is told."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _printable(name: str) -> str:
    """A name as UTF-8 can carry it, whatever encoding it is in."""
    return name.encode("utf-8", "backslashreplace").decode()
