"""Telling when something in a folder changes, as far as its file system tells."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

_LOG = logging.getLogger(__name__)
_GATHER_MS: Final = 300
"""Changes that come together are told together."""


async def folder_changes(folder: Path, interval_s: float) -> AsyncGenerator[None, None]:
    """Tells of each change of files in a folder, and without any after ``interval_s``.

    Network file systems tell nothing of what other hosts do, and some file systems nothing at all;
    then it is time to look. Changes that come while nobody waits are told afterwards.
    """
    while True:
        try:
            async for _ in awatch(
                folder,
                watch_filter=_is_visible,
                debounce=_GATHER_MS,
                rust_timeout=round(1000 * interval_s),
                yield_on_timeout=True,
                recursive=False,
                force_polling=False,
            ):
                yield
            return
        except OSError as error:
            _LOG.debug("%s cannot be watched: %s", folder, error)
            await asyncio.sleep(interval_s)
            yield


def _is_visible(_: Change, path: str) -> bool:
    return not os.path.basename(path).startswith(".")  # noqa: PTH119
