"""Keeping files up to date that nothing may wait or end for."""

from __future__ import annotations

import logging
from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class Upkeep:
    """Files that are brought up to date whenever something changes.

    While the disk is full they cannot be. That is told once, and made up for later.
    """

    def __init__(self, what: str, update: Callable[[], None]) -> None:
        """Nothing is written yet.

        Args:
            what: is kept, for the log.
            update: brings it up to date, or raises ``OSError``.
        """
        self._what, self._update = what, update
        self._behind = False

    def update(self) -> None:
        """Bring it up to date, or remember that this is still to be done."""
        was_behind = self._behind
        try:
            self._update()
        except OSError as error:
            self._behind = True
            if not was_behind:
                reason = error.strerror or error
                _LOG.error(
                    "%s cannot be brought up to date: %s. Serving goes on.", self._what, reason
                )
            return
        self._behind = False
        if was_behind:
            _LOG.info("%s: up to date again.", self._what)

    def catch_up(self) -> None:
        """Do what could not be done the last time; otherwise nothing."""
        if self._behind:
            self.update()
