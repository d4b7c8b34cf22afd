"""The reference clips in a folder, and the texts beside them."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from audio_score_server.library.clip import Clip, ClipChanged, ClipId, Library
from audio_score_server.library.errors import ClipUnreadable, LibraryUnavailable
from audio_score_server.library.files import Stamp
from audio_score_server.library.journal import Journal
from audio_score_server.library.listing import SUFFIXES, FolderListing
from audio_score_server.library.settling import settled_in_s
from audio_score_server.library.texts import SidecarTexts
from audio_score_server.library.watching import folder_changes

_CASES: Final = tuple(suffix for lower in SUFFIXES for suffix in (lower, lower.upper()))
_STEP_NS: Final = 50_000_000


class FolderSource:
    """Clips ``<uid>_<cid>.<ending>`` in a folder; other files are told and left."""

    def __init__(self, folder: Path, scan_interval_s: float = 5.0) -> None:
        """``scan_interval_s``: how often to look where the file system tells nothing."""
        self.folder = folder
        self.journal = Journal(folder)
        self._scan_interval_s = scan_interval_s
        self._prefix = f"{folder}{os.sep}"
        self._texts = SidecarTexts(folder)
        self._names: dict[ClipId, str] = {}
        self._listing = FolderListing(folder)

    def open(self, clip: Clip) -> BinaryIO:
        """See ``ClipSource.open``."""
        try:
            stream = (self.folder / clip.name).open("rb")
        except FileNotFoundError:
            if not clip.version:
                # Nor was it there when it was found: a link to nowhere.
                raise
            if not self.folder.is_dir():
                # Not the clip has changed: whoever looks again finds the same.
                raise ClipUnreadable(
                    f"Clip {clip.id} cannot be read: the clip folder is not there."
                ) from None
            raise ClipChanged("the clip is gone") from None
        try:
            _check(stream, clip)
        except BaseException:
            stream.close()
            raise
        return stream

    def read(self, clip: Clip) -> bytes:
        """See ``ClipSource.read``."""
        with self.open(clip) as stream:
            content = stream.read()
            # Somebody may have written into it meanwhile.
            _check(stream, clip)
        return content

    def find(self, clip_id: ClipId) -> Clip | None:
        """See ``ClipSource.find``."""
        with self._shared():
            return self.find_locked(clip_id)

    def find_locked(self, clip_id: ClipId) -> Clip | None:
        """As ``find``, for whoever has the journal's lock."""
        if not _is_id(clip_id):
            return None
        known = self._names.get(clip_id)
        if known is not None and (clip := self._clip_called(clip_id, known)) is not None:
            return clip
        for suffix in _CASES:
            clip = self._clip_called(clip_id, f"{clip_id}{suffix}")
            if clip is not None:
                self._names[clip_id] = clip.name
                return clip
        if not self.folder.is_dir():
            raise _unreadable(self.folder, os.strerror(errno.ENOENT))
        return None

    def _clip_called(self, clip_id: ClipId, name: str) -> Clip | None:
        """The clip in a file of this name; None where there is no such file."""
        path = f"{self._prefix}{name}"
        try:
            status = os.stat(path)  # noqa: PTH116 a third of the time, for every request
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return None
            if error.errno != errno.ENOENT or os.path.islink(path):  # noqa: PTH114
                # What is wrong with it is told when the clip is read.
                return Clip(clip_id, self, name, 0, "", None)
            return None
        return self._clip(clip_id, name, Stamp.of(status)) if stat.S_ISREG(status.st_mode) else None

    def library(self) -> Library:
        """See ``ClipSource.library``."""
        with self._shared():
            try:
                names, found = self._listing.scan()
            except OSError as error:
                raise _unreadable(self.folder, error.strerror) from error
            library = Library(
                # What is wrong with a file is told when the clip is read.
                self._clip(clip_id, name, stamp, names)
                if stamp
                else Clip(clip_id, self, name, 0, "", None)
                for clip_id, (name, stamp) in found.items()
            )
        self._names = {clip.id: clip.name for clip in library.clips()}
        self._texts.forget_all_but(set(self._names.values()))
        return library

    def revision(self) -> Hashable:
        """See ``ClipSource.revision``; the time at which a name in the folder last changed."""
        try:
            changed_ns = self.folder.stat().st_mtime_ns
        except OSError:
            return object()
        # File systems count in steps: something more may yet happen in this one.
        return object() if time.time_ns() - changed_ns < _STEP_NS else changed_ns

    def changes(self) -> AsyncGenerator[None, None]:
        """See ``ClipSource.changes``."""
        return folder_changes(self.folder, self._scan_interval_s)

    def _clip(
        self, clip_id: ClipId, name: str, stamp: Stamp, names: set[str] | None = None
    ) -> Clip:
        text = self._texts.of(name, names)
        settled = settled_in_s(max(stamp.written, text.written))
        return Clip(clip_id, self, name, stamp.size, stamp.version, text.text, settled)

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """While no writer is half done.

        Raises:
            LibraryUnavailable: one was killed half-way, and this process cannot end its work.
        """
        try:
            with self.journal.shared():
                yield
        except OSError as error:
            raise _unreadable(self.folder, error.strerror) from error


def _check(stream: BinaryIO, clip: Clip) -> None:
    """See whether an open file is the clip's, in its version.

    Raises:
        ClipChanged: it is not.
    """
    stamp = Stamp.of(os.fstat(stream.fileno()))
    if (stamp.size, stamp.version) != (clip.size, clip.version):
        raise ClipChanged("the clip has changed since it was found")


def _unreadable(folder: Path, reason: str | None) -> LibraryUnavailable:
    return LibraryUnavailable(f"The clips cannot be read: {folder} ({reason}).")


def _is_id(clip_id: ClipId) -> bool:
    """Whether a file can have it: a part of a name that does not lead out of the folder."""
    uid, cid = clip_id.uid, clip_id.cid
    if not uid or not cid or uid.startswith(".") or cid.startswith(".") or "_" in cid:
        return False
    return not any(letter in "/\\\0" or "\ud800" <= letter <= "\udfff" for letter in uid + cid)
