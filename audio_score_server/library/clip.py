"""Reference clips, and what a request names them by."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Hashable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

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


class ClipChanged(Exception):
    """A clip is no longer what it was when it was found."""


class ClipSource(Protocol):
    """Where clips are kept: a folder, say, or an object store. Safe to use from several threads."""

    def library(self) -> Library:
        """The clips that there are now.

        Raises:
            LibraryUnavailable: the source cannot be read.
        """
        ...

    def revision(self) -> Hashable:
        """Equal to what it was before only if no clip has come or gone, or was put, since then.

        Cheap, where looking through all clips is not. Of clips that are changed where they are it
        need not tell.
        """
        ...

    def find(self, clip_id: ClipId) -> Clip | None:
        """A clip as it is now; None where there is none.

        Asked for every request, so cheap: a source that is far away answers from what it knows.

        Raises:
            LibraryUnavailable: the source cannot be read.
        """
        ...

    def open(self, clip: Clip) -> BinaryIO:
        """The clip's file, in the clip's own version and seekable, for the caller to close.

        Raises:
            ClipChanged: it has another version by now, or is gone.
            OSError: it cannot be read.
        """
        ...

    def read(self, clip: Clip) -> bytes:
        """The clip's file, whole and in the clip's own version.

        Raises:
            ClipChanged: it has another version by now, or is gone.
            OSError: it cannot be read.
        """
        ...

    def changes(self) -> AsyncGenerator[None, None]:
        """Tells whenever clips may have come, changed or gone, or when it is time to look."""
        ...


@dataclass(frozen=True, slots=True)
class Clip:
    """One reference clip, in one version.

    Attributes:
        id: video and clip id, from the file's name.
        source: where it is kept.
        name: of the file.
        size: bytes; 0 where the file cannot be found out about.
        version: changes whenever the file may have changed; empty where the file cannot be found
            out about.
        text: what is said, from the file beside the clip (``sidecar``); None without one.
        settled_in_s: seconds until the clip can be taken for whole: somebody may still be writing.
    """

    id: ClipId
    source: ClipSource = field(compare=False, repr=False)
    name: str
    size: int
    version: str
    text: str | None
    settled_in_s: float = field(default=0.0, compare=False)

    @property
    def version_key(self) -> VersionKey:
        """Tells this clip from others, and from itself before it was changed."""
        return self.id, self.version, self.text

    @property
    def etag(self) -> str:
        """Of this version, media and text, as HTTP has it: strong and in quotes."""
        told = "\0".join((self.name, str(self.size), self.version, self.text or "\0"))
        return f'"{hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]}"'

    def read(self) -> bytes:
        """See ``ClipSource.read``."""
        return self.source.read(self)

    def sha256(self) -> str:
        """Of the clip's file.

        Raises:
            ClipChanged: it has another version by now, or is gone.
            OSError: it cannot be read.
        """
        return hashlib.sha256(self.read()).hexdigest()


class Library:
    """The clips of a source at one moment; immutable."""

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._clips = {clip.id: clip for clip in sorted(clips, key=lambda clip: clip.id)}

    def __len__(self) -> int:
        return len(self._clips)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Library) and self._clips == other._clips

    __hash__ = None  # type: ignore[assignment]

    def clips(self) -> list[Clip]:
        """In order of id."""
        return list(self._clips.values())

    def search(self, uid: str | None, query: str) -> list[Clip]:
        """Clips whose ids or text hold every word of a query, in capitals or not; in order of id.

        Args:
            uid: of this video alone; of all where None.
            query: words; every clip has those of an empty one.
        """
        words = query.casefold().split()
        return [clip for clip in self.clips() if uid in (None, clip.id.uid) and _has(clip, words)]

    def get(self, clip_id: ClipId) -> Clip | None:
        """The clip of an id; None where there is none."""
        return self._clips.get(clip_id)

    def find(self, uid: str, cid: str) -> Clip:
        """The clip a request names.

        Raises:
            UnknownClip: with the ids that there are.
        """
        clip = self._clips.get(ClipId(uid, cid))
        if clip is None:
            raise self.unknown(ClipId(uid, cid))
        return clip

    def unknown(self, asked: ClipId) -> UnknownClip:
        """The error for an id that no clip has, with the ids that there are."""
        # One that has just been taken away may be among them yet.
        others = [clip_id for clip_id in self._clips if clip_id != asked]
        cids = [clip_id.cid for clip_id in others if clip_id.uid == asked.uid]
        uid, cid = shortened(asked.uid), shortened(asked.cid)
        if cids:
            return UnknownClip(f"Video {uid!r} has no clip {cid!r}; it has {listed(cids)}.")
        uids = list(dict.fromkeys(clip_id.uid for clip_id in others))
        return UnknownClip(
            f"There is no video {uid!r}; there are {listed(uids)}. GET /clips lists every clip."
        )


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none"
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _has(clip: Clip, words: list[str]) -> bool:
    text = f"{clip.id.uid} {clip.id.cid} {clip.text or ''}".casefold()
    return all(word in text for word in words)
