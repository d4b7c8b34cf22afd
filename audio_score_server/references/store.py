"""One model's cache on disk, shared by every worker of the host."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from filelock import FileLock, Timeout

from audio_score_server.domain import Reference
from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.references.entry import (
    check_entry,
    read_entry,
    read_phones,
    refresh_entry,
    write_entry,
)
from audio_score_server.references.memory import ReferenceMemory
from audio_score_server.references.shared import SharedEntries
from audio_score_server.references.sharing import SharedReferences

_STRIPES: Final = 64
BUILDING: Final = ".building"
"""Holds the locks and, beside each, what its holder is writing."""


class ReferenceStore:
    """Cached references of one model: bounded memory over one folder of entries."""

    def __init__(
        self,
        folder: Path,
        made_by: tuple[str, str],
        memory_bytes: int,
        shared: SharedEntries | None = None,
    ) -> None:
        """Use a folder for entries.

        Args:
            folder: for them alone.
            made_by: fingerprints of the runner and the settings that make them.
            memory_bytes: most of them that are kept in memory, too.
            shared: through which hosts share them.
        """
        self.shared = None if shared is None else SharedReferences(shared, made_by)
        self._folder = folder
        self._made_by = made_by
        self._memory = ReferenceMemory(memory_bytes)
        self.hits = 0
        """References that ``remembered`` had."""
        self.misses = 0
        """References that it had not."""

    def check(self, clip: Clip) -> None:
        """Cheaply make sure that the clip's entry is valid.

        Raises:
            EntryInvalid: it must be built.
        """
        folder = self._entry(clip.id)
        manifest = check_entry(folder, clip, self._made_by)
        if manifest.clip_version != clip.version:
            # A cache that cannot be written is as good to read.
            with suppress(OSError):
                refresh_entry(folder, manifest, clip)

    def remembered(self, clip: Clip) -> Reference | None:
        """The reference if it is in memory."""
        reference = self._memory.get(clip.version_key)
        self.hits += reference is not None
        self.misses += reference is None
        return reference

    def read(self, clip: Clip) -> Reference:
        """The reference, from memory or from disk.

        Raises:
            EntryInvalid: it must be built.
        """
        reference = self._memory.get(clip.version_key)
        if reference is None:
            reference = read_entry(self._entry(clip.id), clip, self._made_by)
            self._memory.put(clip.version_key, reference)
        return reference

    def phones(self, clip: Clip) -> list[tuple[str, ...]]:
        """The phones of the clip's transcript and those that were heard in it; see ``read_phones``.

        Raises:
            EntryInvalid: it must be built.
        """
        return read_phones(self._entry(clip.id), clip, self._made_by)

    def remember(self, clip: Clip, reference: Reference) -> None:
        """Keep a reference in memory alone."""
        self._memory.put(clip.version_key, reference)

    def write(self, clip: Clip, reference: Reference) -> None:
        """Write the entry, whole or not at all; only inside ``claim``.

        Raises:
            ClipChanged: the clip has changed meanwhile.
            OSError: the disk is full or not writable.
        """
        # Of its own: where nothing can be locked, others may build in the same stripe, and what a
        # killed one left is not cleared.
        scratch = self._scratch(clip.id) / uuid4().hex
        write_entry(self._entry(clip.id), scratch, clip, self._made_by, reference)

    @contextmanager
    def claim(self, clip: Clip) -> Iterator[bool]:
        """Whether this caller, and nobody else on the host, may build the clip's entry now.

        Whatever a killed builder left behind is cleared away first.
        """
        scratch = self._scratch(clip.id)
        # Not singletons and not thread-bound: claims move between threads and may share a stripe.
        lock = FileLock(scratch.with_suffix(".lock"), thread_local=False, is_singleton=False)
        try:
            scratch.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        except OSError:
            # A cache that cannot be written cannot be shared either: each worker builds for itself.
            yield True
            return
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            yield True
        finally:
            lock.release()

    def _entry(self, clip_id: ClipId) -> Path:
        return self._folder / clip_id.uid / clip_id.cid

    def _scratch(self, clip_id: ClipId) -> Path:
        """A bounded number of locks serves any number of clips."""
        stripe = zlib.crc32(str(clip_id).encode()) % _STRIPES
        return self._folder / BUILDING / f"{stripe:02d}"
