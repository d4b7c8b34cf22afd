"""The reference clips in a folder, and the texts beside them."""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.errors import UnknownClip, shortened
from audio_score_server.references.sidecar import read_sidecar

_LOG = logging.getLogger(__name__)
SUFFIXES: Final = (".mov", ".mp4", ".m4v", ".mkv", ".webm", ".wav", ".mp3", ".m4a", ".flac")
"""Endings of clips; where two files are one clip, the earlier ending wins."""
_NAMES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class ClipId:
    """What a request names: a video, and a clip of it."""

    uid: str
    cid: str

    def __str__(self) -> str:
        return f"{self.uid}_{self.cid}"


@dataclass(frozen=True, slots=True)
class Clip:
    """One reference clip.

    Attributes:
        id: video and clip id, from the file's name.
        path: the file.
        size: bytes; 0 where the file cannot be found out about.
        modified_ns: time of the last change, in nanoseconds; 0 likewise.
        text: what is said, from the file beside the clip (``sidecar``); None without one.
    """

    id: ClipId
    path: Path
    size: int
    modified_ns: int
    text: str | None


class Library:
    """All clips found at start."""

    def __init__(self, clips: list[Clip]) -> None:
        self._clips = {clip.id: clip for clip in sorted(clips, key=lambda clip: clip.id)}

    def __len__(self) -> int:
        return len(self._clips)

    def clips(self) -> list[Clip]:
        """In order of id."""
        return list(self._clips.values())

    def find(self, uid: str, cid: str) -> Clip:
        """The clip a request names.

        Raises:
            UnknownClip: with the ids that there are.
        """
        clip = self._clips.get(ClipId(uid, cid))
        if clip is None:
            raise UnknownClip(self._explain(uid, cid))
        return clip

    def _explain(self, uid: str, cid: str) -> str:
        cids = [clip_id.cid for clip_id in self._clips if clip_id.uid == uid]
        asked_uid, asked_cid = shortened(uid), shortened(cid)
        if cids:
            return f"Video {asked_uid!r} has no clip {asked_cid!r}; it has {_listed(cids)}."
        uids = list(dict.fromkeys(clip_id.uid for clip_id in self._clips))
        return (
            f"There is no video {asked_uid!r}; there are {_listed(uids)}. "
            "GET /clips lists every clip."
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none"
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def scan(folder: Path) -> Library:
    """Find the clips ``<uid>_<cid>.<ending>`` of a folder; files of other names are told and left.

    A folder that does not exist is an empty library.
    """
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
            _listed(folders),
        )
    return Library([_clip(clip_id, entry) for clip_id, entry in found.items()])


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


def _clip(clip_id: ClipId, entry: os.DirEntry[str]) -> Clip:
    path = Path(entry.path)
    try:
        status = entry.stat()
    except OSError:
        # Why, is told when the clip is read.
        return Clip(clip_id, path, 0, 0, None)
    return Clip(clip_id, path, status.st_size, status.st_mtime_ns, read_sidecar(path))
