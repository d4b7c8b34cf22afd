"""Reference clips, and what a request names them by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, Protocol

from audio_score_server.errors import UnknownClip, shortened

BUILT_IN: Final = ".cohort"
"""Video id of the lines that ship in the package; no clip of a library begins with a dot."""
_NAMES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class ClipId:
    """What a request names: a video, and a clip of it."""

    uid: str
    cid: str

    def __str__(self) -> str:
        return f"{self.uid}_{self.cid}"


VersionKey = tuple[ClipId, str, str | None]
"""Id, version and text of a clip."""


class ClipSource(Protocol):
    """Where clips are kept: a folder, say, or an object store. Safe to use from several threads."""

    def library(self) -> Library:
        """The clips that there are now; a source that cannot be read has none, and logs why."""
        ...

    def read(self, clip: Clip) -> bytes:
        """The clip's file.

        Raises:
            OSError: it is gone, or cannot be read.
        """
        ...

    def version(self, clip: Clip) -> tuple[int, str]:
        """The size in bytes and the version of the clip's file as it is now.

        Raises:
            OSError: it is gone, or cannot be asked for.
        """
        ...


@dataclass(frozen=True, slots=True)
class Clip:
    """One reference clip, in one version.

    Attributes:
        id: video and clip id, from the file's name.
        source: where it is kept.
        name: of the file.
        size: bytes; 0 where the file cannot be found out about.
        version: changes whenever the file may have changed; empty likewise.
        text: what is said, from the file beside the clip (``sidecar``); None without one.
    """

    id: ClipId
    source: ClipSource = field(compare=False, repr=False)
    name: str
    size: int
    version: str
    text: str | None

    @property
    def version_key(self) -> VersionKey:
        """Tells this clip from others, and from itself before it was changed."""
        return self.id, self.version, self.text

    def read(self) -> bytes:
        """See ``ClipSource.read``."""
        return self.source.read(self)

    def sha256(self) -> str:
        """Of the file as it is now.

        Raises:
            OSError: it cannot be read.
        """
        return hashlib.sha256(self.read()).hexdigest()

    def is_current(self) -> bool:
        """Whether the file is still what it was when the clip was found.

        Raises:
            OSError: it is gone, or cannot be asked for.
        """
        return self.source.version(self) == (self.size, self.version)


class Library:
    """The clips of a source at one moment; immutable."""

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
            return f"Video {asked_uid!r} has no clip {asked_cid!r}; it has {listed(cids)}."
        uids = list(dict.fromkeys(clip_id.uid for clip_id in self._clips))
        return (
            f"There is no video {asked_uid!r}; there are {listed(uids)}. "
            "GET /clips lists every clip."
        )


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none"
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
