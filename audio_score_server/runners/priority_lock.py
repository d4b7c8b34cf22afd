"""A lock for a device that short work shares with long work.

Scores are short work: one thread at a time. Transcriptions are long work, in stages that may go on
at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

_SHARE: Final = 4.0
"""How much longer than the long work the short work may have the device while both want it."""
_LEAST_S: Final = 0.05
"""A turn of the long work is no shorter, or starting it would cost more than it does."""


class PriorityLock:
    """The short work goes first, but never for ever.

    ``with lock:`` is for short work, which has the device alone. Long work takes turns, ``with
    lock.turn() as interrupted:``, several at once, and gives the device up as soon as
    ``interrupted()`` says so.
    """

    def __init__(self) -> None:
        """Free."""
        self._free = threading.Condition()
        self._held = False
        self._turns = 0
        self._waiting = 0
        self._turns_waiting = 0
        self._owed_s = 0.0
        """How long the short work may still go first."""
        self._since = 0.0

    def __enter__(self) -> None:
        """Wait until the device is free and, where the long work is owed a turn, has had it."""
        with self._free:
            self._waiting += 1
            self._free.wait_for(
                lambda: (
                    not self._held
                    and not self._turns
                    and not (self._turns_waiting and self._owed_s <= 0)
                )
            )
            self._waiting -= 1
            self._held, self._since = True, time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give it back."""
        with self._free:
            self._held = False
            self._owed_s -= time.monotonic() - self._since
            self._free.notify_all()

    @property
    def turns(self) -> int:
        """How many are being taken."""
        return self._turns

    @contextmanager
    def turn(self) -> Iterator[Callable[[], bool]]:
        """The device, for long work, until that asks whether it is interrupted, and is."""
        with self._free:
            self._turns_waiting += 1
            # While somebody waits for the turns that there are, no other one begins.
            self._free.wait_for(
                lambda: not self._held and not (self._waiting and (self._owed_s > 0 or self._turns))
            )
            self._turns_waiting -= 1
            self._turns, began = self._turns + 1, time.monotonic()
        try:
            yield lambda: self._waiting > 0 and time.monotonic() - began >= _LEAST_S
        finally:
            with self._free:
                self._turns -= 1
                self._owed_s = _SHARE * (time.monotonic() - began)
                self._free.notify_all()
