"""A bucket of clips that can be changed, each change whole or not at all.

docs/decisions/0007-a-manifest-is-the-commit-of-a-clip-in-a-bucket.md tells how, and why so.
"""

from __future__ import annotations

import hashlib
import logging
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.conditions import heeds_conditions
from audio_score_server.buckets.errors import (
    BucketFull,
    BucketUnavailable,
    ObjectChanged,
    ObjectMissing,
)
from audio_score_server.library.bucket import BucketSource
from audio_score_server.library.bucket_commit import (
    ClipState,
    clear_away,
    committed,
    state_of,
    upload,
)
from audio_score_server.library.bucket_objects import ManifestMedia, is_read, version_of
from audio_score_server.library.bucket_sweep import sweep
from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.library.errors import (
    InvalidClipMedia,
    InvalidClipName,
    LibraryUnavailable,
    QuotaExceeded,
)
from audio_score_server.library.listing import SUFFIXES
from audio_score_server.library.sidecar import spoken_of
from audio_score_server.library.writing import UNCONDITIONAL, Media, Precondition, check_name

_LOG = logging.getLogger(__name__)
_PAUSES_S: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Before each try: other hosts may be at the same clip."""
_STRIPES: Final = 64
_LOCKED_S: Final = 120.0
_SWEPT_S: Final = 86_400.0
_Result = TypeVar("_Result")


class WritableBucket(BucketSource):
    """See ``WritableSource``; hosts meet in conditional puts, workers of one in a lock, too."""

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        interval_s: float,
        max_copy_bytes: int,
        max_library_bytes: int = 0,
    ) -> None:
        """See ``BucketSource``; ``max_library_bytes``: how large the clips may get, 0: any size."""
        super().__init__(bucket, folder, interval_s, max_copy_bytes)
        self._max_library_bytes = max_library_bytes
        self._heeds = False

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
        media.stream.seek(0)
        content = media.stream.read()

        def change(before: ClipState) -> tuple[Clip, bool]:
            found = self._found(before)
            if found is not None and self._is_same(before, media.suffix, content, text):
                # Whatever it depended on: a proxy may have sent it twice (RFC 9110, 13.1.1).
                self.index.write(before.stem, before.objects)
                return found, False
            precondition.check(found)
            self._check_namesakes(clip_id)
            self._check_room(clip_id, len(content), text)
            with self._uploaded(clip_id, media.suffix, content) as kept:
                after = self._commit(before, kept, text, set(before.by_hand))
            self.keep(kept.key, kept.etag, content)
            return self._left(after), found is None

        return self._until_done(clip_id, change)

    def set_text(
        self, clip_id: ClipId, text: str | None, precondition: Precondition = UNCONDITIONAL
    ) -> Clip | None:
        """See ``WritableSource.set_text``."""

        def change(before: ClipState) -> Clip | None:
            clip, found = before.clip, self._found(before)
            if clip is None or found is None:
                return None
            precondition.check(found)
            if found.text == _spoken(text):
                self.index.write(before.stem, before.objects)
                return found
            self._check_room(clip_id, clip.size, text)
            kept = before.manifest.media if before.manifest is not None else None
            kept = kept if kept is not None and kept.key == clip.key else None
            return self._left(self._commit(before, kept, text, _replaced_by_text(before)))

        return self._until_done(clip_id, change)

    def delete(self, clip_id: ClipId, precondition: Precondition = UNCONDITIONAL) -> bool:
        """See ``WritableSource.delete``."""

        def change(before: ClipState) -> bool:
            found = self._found(before)
            if found is None:
                self.index.write(before.stem, before.objects)
                return False
            precondition.check(found)
            self._commit(before, None, None, set(before.by_hand))
            return True

        return self._until_done(clip_id, change)

    def _until_done(self, clip_id: ClipId, change: Callable[[ClipState], _Result]) -> _Result:
        """Change a clip, once more each time that another host was faster.

        Raises:
            QuotaExceeded: the bucket is full.
            LibraryUnavailable: it cannot be reached, or others change the clip all the time.
        """
        with self._alone(clip_id):
            try:
                self._check_conditions()
                for pause_s in _PAUSES_S:
                    time.sleep(pause_s)
                    with suppress(ObjectChanged):
                        return change(state_of(self.bucket, clip_id))
            except BucketFull as error:
                raise QuotaExceeded(str(error)) from error
            except BucketUnavailable as error:
                raise LibraryUnavailable(f"The clip cannot be written. {error}") from error
        raise LibraryUnavailable(f"Clip {clip_id} is changed all the time. Try again later.")

    def _commit(
        self, before: ClipState, media: ManifestMedia | None, text: str | None, hide: set[str]
    ) -> ClipState:
        after = committed(self.bucket, before, media, text or None, hide)
        self.index.write(after.stem, after.objects)
        cleared = clear_away(self.bucket, before, after)
        if cleared.objects.stamps != after.objects.stamps:
            self.index.write(cleared.stem, cleared.objects)
        self._sweep_now_and_then()
        return cleared

    @contextmanager
    def _uploaded(self, clip_id: ClipId, suffix: str, content: bytes) -> Iterator[ManifestMedia]:
        kept = upload(self.bucket, clip_id, suffix, content)
        try:
            yield kept
        except ObjectChanged:
            # Not for the next try: who was faster may have seen it, and taken it away.
            with suppress(BucketUnavailable):
                self.bucket.delete(kept.key)
            raise

    @contextmanager
    def _alone(self, clip_id: ClipId) -> Iterator[None]:
        """While no other worker of the host changes the clip: the index must not go back."""
        stripe = zlib.crc32(str(clip_id).encode()) % _STRIPES
        lock = FileLock(
            self.folder / f".write-{stripe:02d}.lock", thread_local=False, is_singleton=False
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_LOCKED_S)
        except Timeout:
            raise LibraryUnavailable(f"Clip {clip_id} is being changed. Try again later.") from None
        except OSError as error:
            _LOG.debug("%s cannot be locked: %s", self.folder, error)
        try:
            yield
        finally:
            lock.release()

    def _check_conditions(self) -> None:
        """Once, before the first change.

        Raises:
            LibraryUnavailable: the store takes every put.
        """
        if not self._heeds and not heeds_conditions(self.bucket):
            raise LibraryUnavailable(
                f"The store of {self.bucket.url} heeds no conditions (If-Match, If-None-Match): "
                "clips cannot be changed safely. Use one that does, or put objects there by hand."
            )
        self._heeds = True

    def _found(self, state: ClipState) -> Clip | None:
        return None if state.clip is None else self.clip(state.clip)

    def _left(self, state: ClipState) -> Clip:
        """The clip that a change has left.

        Raises:
            LibraryUnavailable: there is none.
        """
        found = self._found(state)
        if found is None:
            raise LibraryUnavailable(f"Clip {state.stem} was taken away while it was written.")
        return found

    def _is_same(self, before: ClipState, suffix: str, content: bytes, text: str | None) -> bool:
        """Whether a clip is already what it is to become."""
        clip = before.clip
        if clip is None or clip.text != _spoken(text) or clip.size != len(content):
            return False
        if not clip.name.endswith(suffix):
            return False
        if clip.sha256 is not None:
            return clip.sha256 == hashlib.sha256(content).hexdigest()
        with suppress(ObjectMissing):
            return self.bucket.get(clip.key, clip.etag).content == content
        return False

    def _check_namesakes(self, clip_id: ClipId) -> None:
        known = self.index.current()
        for other in () if known is None else known.clips:
            if str(other).lower() == str(clip_id).lower() and other != clip_id:
                raise InvalidClipName(
                    f"There is a clip {other} already: ids that differ in capitals alone are one "
                    "file on some systems."
                )

    def _check_room(self, clip_id: ClipId, size: int, text: str | None) -> None:
        known = self.index.current()
        others = () if known is None else known.clips.values()
        size += len((text or "").encode("utf-8", "replace"))
        size += sum(_size(each.size, each.text) for each in others if each.id != clip_id)
        if self._max_library_bytes and size > self._max_library_bytes:
            raise QuotaExceeded(
                f"The library would have {size:,} bytes; it may have {self._max_library_bytes:,}. "
                "Delete clips, or raise AUDIO_SCORE_MAX_LIBRARY_BYTES."
            )

    def _sweep_now_and_then(self) -> None:
        """Once a day for the host."""
        swept, known = self.folder / ".swept", self.index.current()
        try:
            if swept.exists() and 0.0 <= time.time() - swept.stat().st_mtime < _SWEPT_S:
                return
            swept.touch()
            if known is not None:
                sweep(self.bucket, known)
        except (OSError, BucketUnavailable) as error:
            _LOG.debug("%s is not swept: %s", self.bucket.url, error)


def _replaced_by_text(state: ClipState) -> set[str]:
    """Keys of what a new text replaces: other texts, and what is replaced already."""
    hides = state.manifest.hides if state.manifest is not None else {}
    return {
        key
        for key, stamp in state.by_hand.items()
        if is_read(key) or hides.get(key) == version_of(stamp)
    }


def _spoken(text: str | None) -> str | None:
    return spoken_of(text or "").text or None


def _size(size: int, text: str | None) -> int:
    return size + len((text or "").encode("utf-8", "replace"))
