"""Media of a bucket on the local disk: fetched once for the host, bounded, the least used goes."""

from __future__ import annotations

import hashlib
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from filelock import FileLock, Timeout

_LOG = logging.getLogger(__name__)
_STRIPES: Final = 64
_FETCHED_S: Final = 120.0
"""Longest wait for another worker's fetch; then both fetch."""
_LOCKED_S: Final = 30.0
_FILLED: Final = 0.9
"""How full the copy is after some of it was removed, so that this is rare."""


class MediaCopy:
    """Files by key and ETag: what is there never changes. For any number of threads and processes.

    A file appears by a rename. Where nothing can be kept, everything is fetched each time.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Keep at most ``max_bytes`` in ``folder``, which may not be there yet."""
        self._folder = folder
        self._media = folder / "media"
        self._usage = folder / ".usage"
        self._max_bytes = max_bytes
        self._failed = False

    def fetched(self, key: str, etag: str, size: int, fetch: Callable[[], bytes]) -> bytes:
        """An object's content, from here or fetched, by one caller of the host at a time.

        Args:
            key: of the object.
            etag: of the version wanted.
            size: bytes that it has.
            fetch: gets it from the bucket; what it raises is raised.
        """
        path = self._path(key, etag)
        kept = _read(path, size)
        if kept is not None:
            return kept
        with self._fetching(path.name):
            kept = _read(path, size)
            if kept is not None:
                return kept
            content = fetch()
            if len(content) <= self._max_bytes:
                self._keep(path, content)
            return content

    def opened(self, key: str, etag: str, size: int) -> BinaryIO | None:
        """An object's file, if it is here; for the caller to close."""
        try:
            return _opened(self._path(key, etag), size)
        except OSError:
            return None

    def _path(self, key: str, etag: str) -> Path:
        return self._media / hashlib.sha256(f"{key}\0{etag}".encode()).hexdigest()[:40]

    def _keep(self, path: Path, content: bytes) -> None:
        try:
            with self._lock(".copy.lock", _LOCKED_S):
                self._make_room(len(content))
                # Of one name: what a killed worker left is written over.
                partial = self._folder / ".partial"
                with partial.open("wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(partial, path)
            self._failed = False
        except (OSError, Timeout) as error:
            self._tell(error)

    def _make_room(self, size: int) -> None:
        """Count a file in before it is there: whoever is killed has counted too much, never less.

        Raises:
            OSError: the folder cannot be written.
        """
        self._media.mkdir(parents=True, exist_ok=True)
        used = self._used()
        if used is None or used + size > self._max_bytes:
            used = self._removed_down_to(min(_FILLED * self._max_bytes, self._max_bytes - size))
        self._usage.write_text(str(used + size), encoding="ascii")

    def _used(self) -> int | None:
        """Bytes, as they were counted; None where they must be counted anew."""
        try:
            return int(self._usage.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _removed_down_to(self, allowed: float) -> int:
        """Remove the files that were not used for longest; the bytes that are left."""
        with os.scandir(self._media) as scan:
            files = sorted((entry.stat().st_mtime_ns, entry.path, entry.stat()) for entry in scan)
        used = sum(status.st_size for _, _, status in files)
        if used <= self._max_bytes and used <= allowed:
            return used
        for _, path, status in files:
            if used <= allowed:
                break
            Path(path).unlink(missing_ok=True)
            used -= status.st_size
        return used

    @contextmanager
    def _fetching(self, name: str) -> Iterator[None]:
        """While nobody else on the host fetches it; or while somebody does for far too long."""
        lock = self._file_lock(f".fetch-{zlib.crc32(name.encode()) % _STRIPES:02d}.lock")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_FETCHED_S)
        except (OSError, Timeout) as error:
            self._tell(error)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _lock(self, name: str, timeout_s: float) -> Iterator[None]:
        lock = self._file_lock(name)
        lock.acquire(timeout=timeout_s)
        try:
            yield
        finally:
            lock.release()

    def _file_lock(self, name: str) -> FileLock:
        return FileLock(self._folder / name, thread_local=False, is_singleton=False)

    def _tell(self, error: Exception) -> None:
        """Once, until it works again."""
        if not self._failed:
            self._failed = True
            _LOG.error(
                "Clips cannot be kept in %s (%s): they are fetched again and again. Free some "
                "space or make the cache folder writable.",
                self._folder,
                error,
            )


def _read(path: Path, size: int) -> bytes | None:
    """The content of a file that is whole; it counts as used now."""
    try:
        with _opened(path, size) as stream:
            return stream.read()
    except OSError:
        return None


def _opened(path: Path, size: int) -> BinaryIO:
    """A file that is whole; it counts as used now.

    Raises:
        OSError: it is not there, or cut short.
    """
    stream = path.open("rb")
    try:
        if os.fstat(stream.fileno()).st_size != size:
            raise OSError(f"{path} is cut short")
        os.utime(path)
    except BaseException:
        stream.close()
        raise
    return stream
