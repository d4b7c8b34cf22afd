"""Which files of a folder are clips."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audio_score_server.library.clip import ClipId, listed
from audio_score_server.library.files import Stamp

_LOG = logging.getLogger(__name__)
SUFFIXES: Final = (".mov", ".mp4", ".m4v", ".mkv", ".webm", ".wav", ".mp3", ".m4a", ".flac")
"""Endings of clips; where two files are one clip, the earlier ending wins."""

_Found = dict[ClipId, tuple[str, Stamp | None]]


class FolderListing:
    """Looks through a folder, and tells of what it leaves out once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: set[str] = set()

    def scan(self) -> tuple[set[str], _Found]:
        """Names of all files, and name and stamp of each clip's; None for what cannot be asked.

        Raises:
            OSError: the folder cannot be read.
        """
        with os.scandir(self._folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        found: _Found = {}
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.lower().endswith(SUFFIXES):
                continue
            is_clip, stamp = self._stamp(entry)
            clip_id = clip_id_of(entry.name)
            if is_clip and clip_id is None:
                suffix = os.path.splitext(entry.name)[1]
                self._tell(
                    f"Skipped {printable(entry.name)}: a clip is called <uid>_<cid>{suffix}, in "
                    "UTF-8."
                )
            elif is_clip and clip_id is not None:
                self._take(found, clip_id, entry.name, stamp)
        self._tell_of_folders(entries)
        return {entry.name for entry in entries}, found

    def _take(self, found: _Found, clip_id: ClipId, name: str, stamp: Stamp | None) -> None:
        other = found.get(clip_id)
        if other is not None:
            kept = min(other[0], name, key=rank)
            self._tell(f"{other[0]} and {name} are one clip: {kept} is taken.")
            if kept != name:
                return
        found[clip_id] = name, stamp

    def _stamp(self, entry: os.DirEntry[str]) -> tuple[bool, Stamp | None]:
        """Whether it is a file, or should be one, and its stamp; folders are told elsewhere."""
        try:
            status = entry.stat()
        except OSError:
            # A link to nowhere, say. It is broken: whoever asks for it must not hear it is unknown.
            return True, None
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            # Opening a pipe would wait for somebody to write into it.
            self._tell(f"Skipped {printable(entry.name)}: it is neither a file nor a folder.")
        return stat.S_ISREG(status.st_mode), Stamp.of(status)

    def _tell_of_folders(self, entries: Sequence[os.DirEntry[str]]) -> None:
        folders = [printable(entry.name) for entry in entries if _is_folder(entry)]
        if folders:
            self._tell(
                f"Clips in folders of {self._folder} are not looked for: {listed(folders)}. Put "
                "them into it itself."
            )

    def _tell(self, complaint: str) -> None:
        """Once, however often the folder is looked through."""
        if complaint not in self._told:
            self._told.add(complaint)
            _LOG.warning("%s", complaint)


def clip_id_of(name: str) -> ClipId | None:
    """What a clip's file is named after.

    Ids become folder names in the cache, so neither may be hidden or climb out of it. They also
    become JSON, so a name must be text: one in another encoding than the system's is not.
    """
    uid, _, cid = os.path.splitext(name)[0].rpartition("_")
    if not uid or not cid or uid.startswith(".") or cid.startswith("."):
        return None
    if any("\ud800" <= letter <= "\udfff" for letter in uid + cid):
        return None
    return ClipId(uid, cid)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return False


def rank(name: str) -> int:
    """Of two files that are one clip, the one with the lower rank is taken."""
    return SUFFIXES.index(os.path.splitext(name)[1].lower())


def printable(name: str) -> str:
    """A name as UTF-8 can carry it, whatever encoding it is in."""
    return name.encode("utf-8", "backslashreplace").decode()
