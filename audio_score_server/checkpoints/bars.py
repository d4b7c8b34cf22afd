"""How far a file has come."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from huggingface_hub.utils.tqdm import tqdm

from audio_score_server.checkpoints.sizes import readable_size

_LOG = logging.getLogger(__name__)
_TELL_EVERY_S: Final = 10.0


class Bar(tqdm):
    """The hub's bar on a terminal; elsewhere a line in the log now and then.

    Attributes:
        name: of the file.
        used: whether there has been one.
    """

    name = ""
    used = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        type(self).used = True
        # The description would be the address, which may be signed and then is a secret.
        super().__init__(*arguments, **{**options, "desc": self.name})  # type: ignore[no-untyped-call]
        self._done: int = options.get("initial") or 0
        self._told_at = time.monotonic()

    def update(self, n: float | None = 1) -> bool | None:
        """Count bytes that have come."""
        self._done += int(n or 0)
        if self.disable and time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            total = readable_size(int(self.total or 0))
            _LOG.info("%s: %s of %s.", self.name, readable_size(self._done), total)
        return super().update(n)


def bar_of(name: str) -> type[Bar]:
    """The bars of one file; the hub's client makes them itself, once something comes."""
    return type("_FileBar", (Bar,), {"name": name})
