"""How much of a file has been downloaded, on a terminal or in the log."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from huggingface_hub.utils.tqdm import tqdm

_LOG = logging.getLogger(__name__)
_LOG_EVERY_S: Final = 10.0


def readable_size(size: int) -> str:
    """A number of bytes in the unit that keeps it short, such as "1.5 GB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


class ProgressBar(tqdm):
    """The hub's progress bar on a terminal; elsewhere, where that is silent, lines in the log.

    Attributes:
        file: name of the file.
        used: whether there has been a bar, that is, whether bytes had to be downloaded.
    """

    file = ""
    used = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        type(self).used = True
        # The description would be the address, which may be signed and then is a secret.
        super().__init__(*arguments, **{**options, "desc": self.file})  # type: ignore[no-untyped-call]
        self._done: int = options.get("initial") or 0
        self._logged_at = time.monotonic()

    def update(self, n: float | None = 1) -> bool | None:
        """Count ``n`` bytes more."""
        self._done += int(n or 0)
        if self.disable and time.monotonic() - self._logged_at > _LOG_EVERY_S:
            self._logged_at = time.monotonic()
            total = readable_size(int(self.total or 0))
            _LOG.info("%s: %s of %s.", self.file, readable_size(self._done), total)
        return super().update(n)


def progress_bar(file: str) -> type[ProgressBar]:
    """The class of one file's bar; the hub's client makes the bar itself, once bytes come."""
    return type("_FileBar", (ProgressBar,), {"file": file})
