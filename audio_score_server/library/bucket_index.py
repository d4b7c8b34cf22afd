"""What the host knows of a bucket: one file that every worker reads and that outlasts them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from audio_score_server.buckets.objects import ObjectStamp
from audio_score_server.library.bucket_objects import (
    BucketClip,
    ClipObjects,
    ObjectContent,
    by_clip,
    clip_of,
    stem_of,
)
from audio_score_server.library.clip import ClipId
from audio_score_server.library.files import Stamp
from audio_score_server.library.listing import clip_id_of

_LOG = logging.getLogger(__name__)
INDEX: Final = "index.json"
_LOCKED_S: Final = 30.0
"""Saving takes a moment; whoever holds the lock for longer is stopped, and no lock is kept."""


class BucketSnapshot(BaseModel):
    """The objects of a bucket's clips at one moment, as they are kept.

    Attributes:
        format: of the file; another one, too, when more manifests can be understood.
        url: of the bucket, for people.
        generation: counts the changes of this file.
        stamps: size, ETag and time of each object, by key.
        contents: of texts and manifests, by key.
        written: clips that this host has changed itself, by stem, and in which generation.
    """

    model_config = ConfigDict(frozen=True)
    format: Literal[1] = 1
    url: str
    generation: int = 0
    stamps: dict[str, tuple[int, str, str]] = {}
    contents: dict[str, ObjectContent] = {}
    written: dict[str, int] = {}

    def stems_unlike(self, other: BucketSnapshot) -> set[str]:
        """Of the clips whose objects differ."""
        stamps = self.stamps.items() ^ other.stamps.items()
        contents = _etags(self) ^ _etags(other)
        stems = {stem_of(key) for key, _ in (*stamps, *contents)}
        return {stem for stem in stems if stem is not None}

    def objects(self, stems: Collection[str]) -> dict[str, ClipObjects]:
        """Objects of these clips, by stem."""
        stamps = (
            ObjectStamp(key, *stamp) for key, stamp in self.stamps.items() if stem_of(key) in stems
        )
        return by_clip(stamps, self.contents)


def _etags(snapshot: BucketSnapshot) -> set[tuple[str, str]]:
    return {(key, content.etag) for key, content in snapshot.contents.items()}


@dataclass(frozen=True, slots=True)
class KnownClips:
    """What a snapshot comes to."""

    snapshot: BucketSnapshot
    clips: Mapping[ClipId, BucketClip] = field(default_factory=dict)

    def updated(self, snapshot: BucketSnapshot) -> KnownClips:
        """What another snapshot comes to: only what differs is looked at."""
        stems = snapshot.stems_unlike(self.snapshot)
        objects = snapshot.objects(stems)
        clips = dict(self.clips)
        for stem in stems:
            clip_id = clip_id_of(f"{stem}.wav")
            clip = clip_of(stem, objects[stem]) if stem in objects else None
            if clip is not None:
                clips[clip.id] = clip
            elif clip_id is not None:
                clips.pop(clip_id, None)
        return KnownClips(snapshot, clips)


class BucketIndex:
    """The last good snapshot; safe to use from several threads and processes."""

    def __init__(self, folder: Path, url: str) -> None:
        """Keep it in ``folder``, which may not be there yet."""
        self._path = folder / INDEX
        self._url = url
        self._known: KnownClips | None = None
        self._stamp: Stamp | None = None
        self._loading = threading.Lock()
        self._failed = False

    def current(self) -> KnownClips | None:
        """What the host knows now; None while it knows nothing."""
        try:
            stamp = Stamp.of(self._path.stat())
        except OSError:
            return self._known
        if stamp != self._stamp:
            with self._loading:
                if stamp != self._stamp:
                    self._load(stamp)
        return self._known

    def replace(
        self,
        stamps: Sequence[ObjectStamp],
        contents: Mapping[str, ObjectContent],
        since: int,
    ) -> None:
        """Take a listing over, but for what was written here after it began.

        Args:
            stamps: every object listed.
            contents: of the small ones.
            since: generation when the listing began.
        """
        with self._changing() as snapshot:
            written = {stem: n for stem, n in snapshot.written.items() if n > since}
            listed = {stamp.key: _kept(stamp) for stamp in stamps if stem_of(stamp.key) is not None}
            own = {key for key in {*listed, *snapshot.stamps} if stem_of(key) in written}
            listed = {key: stamp for key, stamp in listed.items() if key not in own}
            listed |= {key: stamp for key, stamp in snapshot.stamps.items() if key in own}
            known = {key: content for key, content in contents.items() if key not in own}
            known |= {key: each for key, each in snapshot.contents.items() if key in own}
            self._take(snapshot, listed, known, written)

    def write(self, stem: str, objects: ClipObjects) -> None:
        """Note how a clip is since this host has changed it."""
        with self._changing() as snapshot:
            stamps = {key: each for key, each in snapshot.stamps.items() if stem_of(key) != stem}
            contents = {k: each for k, each in snapshot.contents.items() if stem_of(k) != stem}
            stamps |= {key: _kept(stamp) for key, stamp in objects.stamps.items()}
            contents |= objects.contents
            written = {**snapshot.written, stem: snapshot.generation + 1}
            self._take(snapshot, stamps, contents, written)

    def _take(
        self,
        before: BucketSnapshot,
        stamps: dict[str, tuple[int, str, str]],
        contents: dict[str, ObjectContent],
        written: dict[str, int],
    ) -> None:
        if (stamps, contents) == (before.stamps, before.contents) and before.generation:
            return
        snapshot = BucketSnapshot(
            url=self._url,
            generation=before.generation + 1,
            stamps=stamps,
            contents=contents,
            written=written,
        )
        with self._loading:
            self._known = self._updated(snapshot)
            self._stamp = self._save(snapshot)

    def _save(self, snapshot: BucketSnapshot) -> Stamp | None:
        """The stamp of the file, saved or as it was: what could not be saved is remembered."""
        partial = self._path.with_name(f".{INDEX}.partial")
        try:
            with partial.open("wb") as stream:
                stream.write(snapshot.model_dump_json().encode())
                stream.flush()
                os.fsync(stream.fileno())
                stamp = Stamp.of(os.fstat(stream.fileno()))
            os.replace(partial, self._path)
            # The rename has moved its time of change on.
            stamp = Stamp.of(self._path.stat())
        except OSError as error:
            self._tell(error)
            try:
                return Stamp.of(self._path.stat())
            except OSError:
                return None
        self._failed = False
        return stamp

    def _load(self, stamp: Stamp) -> None:
        try:
            snapshot = BucketSnapshot.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            _LOG.warning("%s is damaged, the bucket is read anew: %r.", self._path, error)
            self._known, self._stamp = None, stamp
            return
        self._known, self._stamp = self._updated(snapshot), stamp

    def _updated(self, snapshot: BucketSnapshot) -> KnownClips:
        known = self._known or KnownClips(BucketSnapshot(url=self._url))
        return known.updated(snapshot)

    @contextmanager
    def _changing(self) -> Iterator[BucketSnapshot]:
        """What is known, while nobody else on the host changes it."""
        lock = FileLock(self._path.with_name(".index.lock"), thread_local=False, is_singleton=False)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_LOCKED_S)
        except (OSError, Timeout) as error:
            self._tell(error)
        try:
            known = self.current()
            yield known.snapshot if known is not None else BucketSnapshot(url=self._url)
        finally:
            lock.release()

    def _tell(self, error: Exception) -> None:
        """Once, until it works again."""
        if not self._failed:
            self._failed = True
            _LOG.error(
                "What is known of %s cannot be kept in %s (%s): other workers learn of changes "
                "late. Free some space or make the cache folder writable.",
                self._url,
                self._path.parent,
                error,
            )


def _kept(stamp: ObjectStamp) -> tuple[int, str, str]:
    return stamp.size, stamp.etag, stamp.modified
