"""The reference clips in a bucket: listed now and then, fetched when asked for."""

from __future__ import annotations

import asyncio
import io
import logging
import math
import time
from collections.abc import AsyncGenerator, Hashable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from filelock import FileLock, Timeout

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.errors import BucketUnavailable, ObjectChanged, ObjectMissing
from audio_score_server.library.bucket_commit import state_of
from audio_score_server.library.bucket_copy import MediaCopy
from audio_score_server.library.bucket_index import BucketIndex, KnownClips
from audio_score_server.library.bucket_objects import BucketClip
from audio_score_server.library.bucket_reading import read_contents
from audio_score_server.library.clip import Clip, ClipChanged, ClipId, Library
from audio_score_server.library.errors import ClipUnreadable, LibraryUnavailable
from audio_score_server.library.watching import folder_changes

_LOG = logging.getLogger(__name__)
_FIRST_S: Final = 120.0
"""Longest wait for another worker's listing where the host knows none yet."""
_RETRY_S: Final = 5.0
_EARLY: Final = 0.9
"""Workers look at about the same time: a listing is new for most of the interval."""


class BucketSource:
    """See ``ClipSource``. All workers of a host share what they know of the bucket, and its media.

    What was known last is served while the bucket cannot be reached.
    """

    def __init__(self, bucket: Bucket, folder: Path, interval_s: float, max_bytes: int) -> None:
        """Serve the clips of a bucket.

        Args:
            bucket: where they are.
            folder: for the local copy; it belongs to this bucket alone.
            interval_s: how often to list it.
            max_bytes: largest size of the media in the copy.
        """
        self.bucket = bucket
        self.index = BucketIndex(folder, bucket.url)
        self.folder = folder
        self._interval_s = interval_s
        self._copy = MediaCopy(folder, max_bytes)
        self._listed = folder / ".listed"
        self._cut_off = False
        self._retried = -math.inf
        """When media may be asked for again, by the monotonic clock, and when a listing."""
        self._relisted = -math.inf

    def library(self) -> Library:
        """See ``ClipSource.library``; lists the bucket when it is time to."""
        self.refresh()
        return Library(self.clip(each) for each in self._known().clips.values())

    def revision(self) -> Hashable:
        """See ``ClipSource.revision``."""
        known = self.index.current()
        return object() if known is None else known.snapshot.generation

    def find(self, clip_id: ClipId) -> Clip | None:
        """See ``ClipSource.find``."""
        known = self._known().clips.get(clip_id)
        return None if known is None else self.clip(known)

    def open(self, clip: Clip) -> BinaryIO:
        """See ``ClipSource.open``; errors as of ``read``."""
        known = self._same(clip)
        kept = self._copy.opened(known.key, known.etag, known.size)
        return kept if kept is not None else io.BytesIO(self.read(clip))

    def read(self, clip: Clip) -> bytes:
        """See ``ClipSource.read``.

        Raises:
            ClipUnreadable: the clip is not on this host, and the bucket cannot be reached.
        """
        known = self._same(clip)
        try:
            return self._copy.fetched(known.key, known.etag, known.size, lambda: self._get(known))
        except (ObjectMissing, ObjectChanged):
            raise self._changed(clip, known) from None
        except BucketUnavailable as error:
            raise ClipUnreadable(f"Clip {clip.id} cannot be fetched. {error}") from error

    def _same(self, clip: Clip) -> BucketClip:
        """What is known of a clip.

        Raises:
            ClipChanged: that it has another version by now, or is gone.
        """
        known = self._known().clips.get(clip.id)
        if known is None or (known.name, known.etag) != (clip.name, clip.version):
            raise ClipChanged("the clip has changed since it was found")
        return known

    def _changed(self, clip: Clip, known: BucketClip) -> Exception:
        """Why the bucket does not have what it was said to have; ``find`` knows better then."""
        try:
            state = state_of(self.bucket, clip.id)
        except BucketUnavailable as error:
            return ClipUnreadable(f"Clip {clip.id} cannot be fetched. {error}")
        self.index.write(state.stem, state.objects)
        if state.clip == known:
            # Whoever looks once more would find the same.
            return OSError(f"there is no {known.key} with the ETag {known.etag} in the bucket")
        return ClipChanged("the clip has changed since the bucket was listed")

    def _get(self, known: BucketClip) -> bytes:
        """A clip's media from the bucket; at once no for a while after it could not be reached.

        Ten thousand clips must not wait for it one after the other.
        """
        if time.monotonic() < self._retried:
            raise BucketUnavailable(f"{self.bucket.url} cannot be reached.")
        try:
            return self.bucket.get(known.key, known.etag).content
        except BucketUnavailable:
            self._retried = time.monotonic() + min(_RETRY_S, self._interval_s)
            raise

    async def changes(self) -> AsyncGenerator[None, None]:
        """See ``ClipSource.changes``; other workers' changes and listings are told at once."""
        self._make_folder()
        async for _ in folder_changes(self.folder, self._interval_s):
            # Here, since whoever is told may measure how long looking takes.
            with suppress(LibraryUnavailable):
                await asyncio.to_thread(self.refresh)
            yield

    def clip(self, known: BucketClip) -> Clip:
        """A clip of this source."""
        return Clip(known.id, self, known.name, known.size, known.etag, known.text)

    def keep(self, key: str, etag: str, content: bytes) -> None:
        """Have the content of an object on this host, which need not fetch it then."""
        self._copy.fetched(key, etag, len(content), lambda: content)

    def refresh(self) -> None:
        """List the bucket, if it is time and no other worker of the host is at it."""
        self._make_folder()
        known = self.index.current()
        if known is not None and not self._is_due():
            return
        lock = FileLock(self.folder / ".lister.lock", thread_local=False, is_singleton=False)
        try:
            lock.acquire(timeout=_FIRST_S if known is None else 0)
        except Timeout:
            return
        except OSError as error:
            # Then every worker lists for itself.
            _LOG.debug("%s cannot be locked: %s", self.folder, error)
        try:
            if self.index.current() is None or self._is_due():
                self._list()
        finally:
            lock.release()

    def _is_due(self) -> bool:
        """Whether the last listing is old, and none has failed just now."""
        if time.monotonic() < self._relisted:
            return False
        try:
            ago_s = time.time() - self._listed.stat().st_mtime
        except OSError:
            return True
        return not 0.0 <= ago_s < _EARLY * self._interval_s

    def _list(self) -> None:
        known = self.index.current()
        since = 0 if known is None else known.snapshot.generation
        try:
            stamps = self.bucket.listed()
            read = {} if known is None else known.snapshot.contents
            contents = read_contents(self.bucket, stamps, read)
        except BucketUnavailable as error:
            self._relisted = time.monotonic() + _EARLY * self._interval_s
            self._tell_cut_off(error, known)
            return
        self.index.replace(stamps, contents, since)
        try:
            self._listed.touch()
        except OSError as error:
            _LOG.debug("%s cannot be touched: %s", self._listed, error)
        if self._cut_off:
            self._cut_off = False
            _LOG.info("%s can be reached again.", self.bucket.url)

    def _tell_cut_off(self, error: BucketUnavailable, known: KnownClips | None) -> None:
        """Once, until it can be reached again.

        Raises:
            LibraryUnavailable: nothing is known of the bucket.
        """
        if known is None:
            raise LibraryUnavailable(f"The clips cannot be listed: {error}") from error
        if not self._cut_off:
            self._cut_off = True
            _LOG.warning(
                "%s Served are the %d clips that this host knows; what it has not fetched yet "
                "cannot be compared with.",
                error,
                len(known.clips),
            )

    def _known(self) -> KnownClips:
        known = self.index.current()
        if known is None:
            raise LibraryUnavailable(
                f"The clips in {self.bucket.url} are not known: it could not be reached yet. The "
                "server's log says why."
            )
        return known

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _LOG.debug("%s cannot be made: %s", self.folder, error)
