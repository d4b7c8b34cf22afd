"""Writing files whole or not at all, and keeping on where they cannot be written."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

_LOG = logging.getLogger(__name__)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step: whoever reads it finds the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one stays.
    """
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    except OSError:
        # Half of it on a full disk is of use to nobody.
        new.unlink(missing_ok=True)
        raise


class BestEffortUpdate:
    """An update of files that no failure may stop the supervisor for.

    While the disk is full they cannot be written. That is logged once, and made up for later.
    """

    def __init__(self, what: str, update: Callable[[], None]) -> None:
        """Nothing is written yet.

        Args:
            what: is kept up to date, for the log.
            update: brings it up to date, or raises ``OSError``.
        """
        self._what, self._update = what, update
        self._failed = False

    def update(self) -> None:
        """Bring it up to date, or have ``retry`` do so."""
        failed_before = self._failed
        try:
            self._update()
        except OSError as error:
            self._failed = True
            if not failed_before:
                reason = error.strerror or error
                _LOG.error("%s cannot be updated: %s. Serving goes on.", self._what, reason)
            return
        self._failed = False
        if failed_before:
            _LOG.info("%s: up to date again.", self._what)

    def retry(self) -> None:
        """Update again where the last update failed; otherwise nothing."""
        if self._failed:
            self.update()
