"""The reference clips in a folder, and the texts beside them."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Final

from audio_score_server.references.clips import Clip, ClipId, Library, listed
from audio_score_server.references.sidecar import read_sidecar

_LOG = logging.getLogger(__name__)
SUFFIXES: Final = (".mov", ".mp4", ".m4v", ".mkv", ".webm", ".wav", ".mp3", ".m4a", ".flac")
"""Endings of clips; where two files are one clip, the earlier ending wins."""


class FolderSource:
    """Clips ``<uid>_<cid>.<ending>`` in a folder; other files are told and left.

    A folder that does not exist is an empty library.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, clip: Clip) -> bytes:
        """See ``ClipSource.read``."""
        return (self.folder / clip.name).read_bytes()

    def version(self, clip: Clip) -> tuple[int, str]:
        """See ``ClipSource.version``; the time of the last change, in nanoseconds."""
        return _version((self.folder / clip.name).stat())

    def library(self) -> Library:
        """See ``ClipSource.library``."""
        folder = self.folder
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            _LOG.warning("No clips: %s cannot be read (%s).", folder, error.strerror)
            return Library([])
        found: dict[ClipId, os.DirEntry[str]] = {}
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() not in SUFFIXES or entry.name.startswith(".") or not _is_clip(entry):
                continue
            clip_id = _clip_id(stem)
            if clip_id is None:
                _LOG.warning(
                    "Skipped %s: a clip is called <uid>_<cid>%s, in UTF-8.", entry.name, suffix
                )
                continue
            one, other = found.get(clip_id), entry
            if one is None:
                found[clip_id] = entry
                continue
            kept = min(one, other, key=lambda each: _rank(each.name))
            _LOG.warning("%s and %s are one clip: %s is taken.", one.name, other.name, kept.name)
            found[clip_id] = kept
        if folders := [entry.name for entry in entries if _is_folder(entry)]:
            _LOG.warning(
                "Clips in folders of %s are not looked for: %s. Put them into it itself.",
                folder,
                listed(folders),
            )
        return Library([self._clip(clip_id, entry) for clip_id, entry in found.items()])

    def _clip(self, clip_id: ClipId, entry: os.DirEntry[str]) -> Clip:
        try:
            size, version = _version(entry.stat())
        except OSError:
            # Why, is told when the clip is read.
            return Clip(clip_id, self, entry.name, 0, "", None)
        return Clip(clip_id, self, entry.name, size, version, read_sidecar(Path(entry.path)))


def _is_clip(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or should be one; folders are told elsewhere."""
    try:
        mode = entry.stat().st_mode
    except OSError:
        # A link to nowhere, say. It is broken: whoever asks for it must not hear it is unknown.
        return True
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        # Opening a pipe would wait for somebody to write into it.
        _LOG.warning("Skipped %s: it is neither a file nor a folder.", entry.name)
    return stat.S_ISREG(mode)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return False


def _rank(name: str) -> int:
    return SUFFIXES.index(os.path.splitext(name)[1].lower())


def _clip_id(stem: str) -> ClipId | None:
    """Ids become folder names in the cache, so neither may be hidden or climb out of it.

    They also become JSON, so a name must be text: one in another encoding than the system's is not.
    """
    uid, _, cid = stem.rpartition("_")
    if not uid or not cid or uid.startswith(".") or cid.startswith("."):
        return None
    if any("\ud800" <= letter <= "\udfff" for letter in stem):
        return None
    return ClipId(uid, cid)


def _version(status: os.stat_result) -> tuple[int, str]:
    return status.st_size, str(status.st_mtime_ns)
