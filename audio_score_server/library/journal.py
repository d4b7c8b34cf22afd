"""Changes of several files in a folder as one change, whoever looks on and whenever it is killed.

A redo log of one entry: what is to be put and removed is written beside its place, takes effect by
a rename, and is then carried out; whoever comes after a killed writer carries it out first. Readers
share a lock that writers have to themselves, and so see all of a change or nothing of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

HIDDEN: Final = ".library"
"""Folder in the clip folder: the lock, what is being written, and the change that has begun."""
_PLAN: Final = "plan.json"
_FORSAKEN_S: Final = 86_400.0
"""What was begun so long ago has nobody who would end it."""


class Journal:
    """Of one folder, for any number of threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hidden = folder / HIDDEN
        self._lock = self._hidden / "lock"
        self._committed = self._hidden / "committed"
        self._staging = self._hidden / "staging"

    def prepare(self) -> None:
        """Make what writers need, so that readers know from then on that there may be some.

        Raises:
            OSError: the folder cannot be written.
        """
        self._staging.mkdir(parents=True, exist_ok=True)
        self._lock.touch()
        for staged in self._staging.iterdir():
            with suppress(OSError):
                if time.time() - staged.stat().st_mtime > _FORSAKEN_S:
                    shutil.rmtree(staged)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """While this lasts nobody changes the folder through a journal.

        Raises:
            OSError: a change that somebody has begun cannot be carried out.
        """
        while True:
            try:
                held = os.open(self._lock, os.O_RDONLY)
            except OSError:
                # Nobody writes here, or whoever does keeps others from reading at all.
                yield
                return
            try:
                _lock(held, fcntl.LOCK_SH)
                if not self._committed.exists():
                    yield
                    return
            finally:
                os.close(held)
            with self.exclusive():
                pass

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """While this lasts nobody else reads or changes the folder; nothing is half done in it.

        Raises:
            OSError: the folder cannot be written.
        """
        self.prepare()
        held = os.open(self._lock, os.O_RDWR)
        try:
            _lock(held, fcntl.LOCK_EX)
            self._carry_out()
            yield
        finally:
            os.close(held)

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A folder to write new files into, on the same file system; gone afterwards.

        Raises:
            OSError: the folder cannot be written.
        """
        self.prepare()
        staged = self._staging / uuid4().hex
        staged.mkdir()
        try:
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def commit(self, staged: Path, remove: Sequence[str] = ()) -> None:
        """Put all files of a staged folder into place and remove others; only in ``exclusive``.

        Args:
            staged: from ``staged``; it is taken away.
            remove: names of files in the folder.

        Raises:
            OSError: the disk is full, say; nothing has changed.
        """
        put = sorted(path.name for path in staged.iterdir())
        plan = staged / _PLAN
        plan.write_text(json.dumps({"put": put, "remove": list(remove)}), encoding="utf-8")
        for name in (*put, _PLAN):
            _sync(staged / name)
        _sync(staged)
        os.rename(staged, self._committed)
        _sync(self._hidden)
        self._carry_out()

    def _carry_out(self) -> None:
        """Do what a committed change says, as far as it is not done."""
        try:
            plan = json.loads((self._committed / _PLAN).read_bytes())
        except FileNotFoundError:
            # Either there is none, or all of it was done but for clearing it away.
            shutil.rmtree(self._committed, ignore_errors=True)
            return
        for name in plan["put"]:
            with suppress(FileNotFoundError):
                os.replace(self._committed / name, self._folder / name)
        for name in plan["remove"]:
            (self._folder / name).unlink(missing_ok=True)
        _sync(self._folder)
        (self._committed / _PLAN).unlink()
        shutil.rmtree(self._committed, ignore_errors=True)


def _lock(descriptor: int, kind: int) -> None:
    """Wait for a lock; without one where the file system knows none."""
    with suppress(OSError):
        fcntl.flock(descriptor, kind)


def _sync(path: Path) -> None:
    """Down to the disk, so that a rename never outlives the bytes it promises."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
