"""Changing a library: what every source that can be written offers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol, runtime_checkable

from audio_score_server.library.clip import Clip, ClipId, ClipSource
from audio_score_server.library.errors import InvalidClipName, PreconditionFailed

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9-])?")
_LONGEST: Final = 100
_RESERVED: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)))
)
"""Names of devices on Windows, whatever follows them behind a dot."""


@dataclass(frozen=True, slots=True)
class Media:
    """A clip's file on its way into a library.

    Attributes:
        stream: the whole file, seekable.
        suffix: its ending, one of ``listing.SUFFIXES``, in small letters.
    """

    stream: BinaryIO
    suffix: str


@dataclass(frozen=True, slots=True)
class Precondition:
    """On what a change depends (RFC 9110, section 13).

    Attributes:
        if_match: the clip must have one of these ETags, ``*`` for any; None for no condition.
        if_none_match: the clip must have none of these, ``*`` for any.
    """

    if_match: tuple[str, ...] | None = None
    if_none_match: tuple[str, ...] | None = None

    def check(self, clip: Clip | None) -> None:
        """See whether a clip is as the condition wants it.

        Raises:
            PreconditionFailed: it is not.
        """
        if self.if_match is not None and not _matches(self.if_match, clip):
            state = "is not there" if clip is None else "has changed meanwhile"
            raise PreconditionFailed(f"The clip {state}. Get it anew and change that.")
        if self.if_none_match is not None and _matches(self.if_none_match, clip):
            raise PreconditionFailed("The clip is there already. Leave out If-None-Match.")


def _matches(etags: tuple[str, ...], clip: Clip | None) -> bool:
    return clip is not None and ("*" in etags or clip.etag in etags)


UNCONDITIONAL: Final = Precondition()


@runtime_checkable
class WritableSource(ClipSource, Protocol):
    """A source whose clips can be changed, each change whole or not at all.

    Whoever asks ``find`` or ``library`` after a change, on this host, knows of it.
    """

    def put(
        self,
        clip_id: ClipId,
        media: Media,
        text: str | None,
        precondition: Precondition = UNCONDITIONAL,
    ) -> tuple[Clip, bool]:
        """Add a clip or replace it, text and all; the same once more changes nothing.

        Args:
            clip_id: of the clip; see ``check_name``.
            media: its file.
            text: what is said; None for a clip without a text.
            precondition: on what it depends.

        Returns:
            The clip, and whether it is new.

        Raises:
            InvalidClipName: the id is not one to write.
            PreconditionFailed: it does not hold.
            QuotaExceeded: the library is as large as it may get, or the disk is full.
            LibraryUnavailable: the source cannot be written.
        """
        ...

    def set_text(
        self, clip_id: ClipId, text: str | None, precondition: Precondition = UNCONDITIONAL
    ) -> Clip | None:
        """Change a clip's text; None where there is no such clip. Errors as of ``put``."""
        ...

    def delete(self, clip_id: ClipId, precondition: Precondition = UNCONDITIONAL) -> bool:
        """Take a clip out; whether it was there. Errors as of ``put``."""
        ...


def check_name(clip_id: ClipId) -> None:
    """See to it that an id makes a file name that is the same everywhere.

    Raises:
        InvalidClipName: it could climb out of the folder, look like another id, or be a device.
    """
    for name, part, allowed in (("uid", clip_id.uid, ""), ("cid", clip_id.cid, "_")):
        if not _NAME.fullmatch(part) or len(part) > _LONGEST or (allowed and allowed in part):
            raise InvalidClipName(_explained(name, part))
        if part.split(".", 1)[0].lower() in _RESERVED:
            raise InvalidClipName(f"The {name} {part!r} is the name of a device. Choose another.")


def _explained(name: str, part: str) -> str:
    shown = unicodedata.normalize("NFC", part[:40])
    also = "" if name == "cid" else ", '_'"
    return (
        f"The {name} {shown!r} cannot be written: take up to {_LONGEST} of the letters A-Z and "
        f"a-z, digits, '-', '.'{also}, with a letter or digit first and no dot last."
    )
