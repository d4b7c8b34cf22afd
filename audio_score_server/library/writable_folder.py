"""A folder of clips that can be changed, each change whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audio_score_server.library.clip import Clip, ClipChanged, ClipId
from audio_score_server.library.errors import (
    InvalidClipMedia,
    InvalidClipName,
    LibraryUnavailable,
    QuotaExceeded,
)
from audio_score_server.library.folder import FolderSource
from audio_score_server.library.listing import SUFFIXES, clip_id_of
from audio_score_server.library.settling import mark_settled
from audio_score_server.library.sidecar import spoken_of
from audio_score_server.library.texts import text_names
from audio_score_server.library.writing import UNCONDITIONAL, Media, Precondition, check_name

DRAFT: Final = ".txt.draft"
"""Ending of a text that no person has read yet."""
_TEXT: Final = ".txt"
_CHUNK: Final = 2**20
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class _Survey:
    """What is in a folder, as far as a clip to be written is concerned.

    Attributes:
        size: bytes of all other files.
        media: names of the clip's own files with sound.
        texts: names of those with its text, drafts too.
        namesake: a clip whose id differs in nothing but capitals.
    """

    size: int = 0
    media: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    namesake: ClipId | None = None


class WritableFolder(FolderSource):
    """See ``WritableSource``; changes go through the folder's journal."""

    def __init__(self, folder: Path, scan_interval_s: float = 5.0, max_bytes: int = 0) -> None:
        """``max_bytes``: how large the folder may get by changes; 0 for no limit."""
        super().__init__(folder, scan_interval_s)
        self._max_bytes = max_bytes

    def put(
        self,
        clip_id: ClipId,
        media: Media,
        text: str | None,
        precondition: Precondition = UNCONDITIONAL,
    ) -> tuple[Clip, bool]:
        """See ``WritableSource.put``."""
        check_name(clip_id)
        if media.suffix not in SUFFIXES:
            raise InvalidClipMedia(
                f"A clip's file ends in one of {', '.join(SUFFIXES)}, not in {media.suffix!r}."
            )
        name = f"{clip_id}{media.suffix}"
        with self._told(), self.journal.staged() as staged:
            _write_media(staged / name, media)
            if text:
                _write_text(staged / f"{clip_id}{_TEXT}", text)
            with self.journal.exclusive():
                before = self.find_locked(clip_id)
                if before is not None and _same(before, staged / name, text):
                    # Whatever it depended on: a proxy may have sent it twice (RFC 9110, 13.1.1).
                    return before, False
                precondition.check(before)
                survey = self._survey(clip_id)
                if survey.namesake is not None:
                    raise InvalidClipName(
                        f"There is a clip {survey.namesake} already: ids that differ in capitals "
                        "alone are one file on some systems."
                    )
                self._check_room(survey, staged)
                self._commit(staged, [*survey.media, *survey.texts])
                return self._found(clip_id), before is None

    def set_text(
        self, clip_id: ClipId, text: str | None, precondition: Precondition = UNCONDITIONAL
    ) -> Clip | None:
        """See ``WritableSource.set_text``."""
        with self._told(), self.journal.staged() as staged:
            if text:
                _write_text(staged / f"{clip_id}{_TEXT}", text)
            with self.journal.exclusive():
                before = self.find_locked(clip_id)
                if before is None:
                    return None
                precondition.check(before)
                if before.text == (spoken_of(text or "").text or None):
                    return before
                survey = self._survey(clip_id)
                survey.size += before.size
                self._check_room(survey, staged)
                self._commit(staged, survey.texts)
                return self._found(clip_id)

    def delete(self, clip_id: ClipId, precondition: Precondition = UNCONDITIONAL) -> bool:
        """See ``WritableSource.delete``."""
        with self._told(), self.journal.staged() as staged, self.journal.exclusive():
            before = self.find_locked(clip_id)
            if before is None:
                return False
            precondition.check(before)
            survey = self._survey(clip_id)
            self._commit(staged, [*survey.media, *survey.texts])
            return True

    def _commit(self, staged: Path, obsolete: list[str]) -> None:
        put = {path.name for path in staged.iterdir()}
        self.journal.commit(staged, [name for name in obsolete if name not in put])

    def _found(self, clip_id: ClipId) -> Clip:
        clip = self.find_locked(clip_id)
        if clip is None:
            # Somebody who knows no journal has taken it away in this very moment.
            raise LibraryUnavailable(f"Clip {clip_id} was taken away while it was written.")
        return clip

    def _survey(self, clip_id: ClipId) -> _Survey:
        survey = _Survey()
        own_texts = {*text_names(str(clip_id)), f"{clip_id}{DRAFT}"}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                other = clip_id_of(entry.name)
                if entry.name in own_texts:
                    survey.texts.append(entry.name)
                elif other == clip_id and entry.name.lower().endswith(SUFFIXES):
                    survey.media.append(entry.name)
                else:
                    with suppress(OSError):
                        survey.size += entry.stat().st_size
                    if other and str(other).lower() == str(clip_id).lower() and other != clip_id:
                        survey.namesake = other
        return survey

    def _check_room(self, survey: _Survey, staged: Path) -> None:
        size = survey.size + sum(path.stat().st_size for path in staged.iterdir())
        if self._max_bytes and size > self._max_bytes:
            raise QuotaExceeded(
                f"The library would have {size:,} bytes; it may have {self._max_bytes:,}. Delete "
                "clips, or raise AUDIO_SCORE_MAX_LIBRARY_BYTES."
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the file system, as clients are to hear of them.

        Raises:
            QuotaExceeded: there is no space left.
            LibraryUnavailable: the folder cannot be written.
        """
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise QuotaExceeded(
                    "There is no space left for the clip. Free some on the server's disk."
                ) from error
            raise LibraryUnavailable(
                f"The clip folder cannot be written ({error.strerror}). Let the server's user "
                "write there."
            ) from error


def _write_media(path: Path, media: Media) -> None:
    media.stream.seek(0)
    with path.open("wb") as stream:
        shutil.copyfileobj(media.stream, stream, _CHUNK)
    mark_settled(path)


def _write_text(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")
    mark_settled(path)


def _same(clip: Clip, media: Path, text: str | None) -> bool:
    """Whether a clip is already what it is to become."""
    if clip.text != (spoken_of(text or "").text or None) or clip.size != media.stat().st_size:
        return False
    try:
        return clip.name.endswith(media.suffix) and clip.read() == media.read_bytes()
    except (ClipChanged, OSError):
        return False
