"""Making a checkpoint complete: fetching what is missing, fetching anew what is damaged."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audio_score_server.checkpoints.cache import (
    cache_root,
    cached_snapshot,
    discard,
    is_damaged,
    remove_leftovers,
)
from audio_score_server.checkpoints.locate import find, locate
from audio_score_server.checkpoints.refusals import explained
from audio_score_server.checkpoints.wanted import INDEX, Checkpoint
from audio_score_server.errors import ModelLoadError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Completion:
    """What it took.

    Attributes:
        fetched_bytes: how much was fetched.
        damaged: names of the files that were damaged and have been fetched anew.
    """

    fetched_bytes: int = 0
    damaged: tuple[str, ...] = ()


def complete(checkpoint: Checkpoint, models_dir: Path | None) -> Completion:
    """See to it that every wanted file is there and is what it should be.

    Reads every byte. Nothing goes over the network where nothing is missing or damaged.

    Args:
        checkpoint: what is wanted. A folder is taken as it is: there is nothing to compare with.
        models_dir: folder of fetched checkpoints; None for the hub's own cache.

    Raises:
        ModelLoadError: it cannot be had; with cause and remedy in one line.
    """
    with explained(checkpoint):
        if Path(checkpoint.model_id).is_dir():
            locate(checkpoint, None)
            return Completion()
        return _complete(checkpoint, models_dir)


def _complete(checkpoint: Checkpoint, models_dir: Path | None) -> Completion:
    root = cache_root(models_dir)
    remove_leftovers(root, checkpoint.model_id)
    # First what names the rest: a damaged index cannot be asked for its shards.
    cached = cached_snapshot(root, checkpoint.model_id, checkpoint.revision)
    names = (*checkpoint.wanted.small, INDEX)
    damaged = [] if cached is None else _discard_damaged(cached, names, root)
    fetched = 0
    for _ in range(2):
        found = find(checkpoint, models_dir)
        fetched += found.fetched_bytes
        _LOG.info("Checking %s in %s.", checkpoint.model_id, found.folder)
        wrong = _discard_damaged(found.folder, found.names, root)
        if not wrong:
            return Completion(fetched, tuple(damaged))
        damaged += wrong
    raise ModelLoadError(
        f"{', '.join(wrong)} of {checkpoint.model_id} came damaged from the hub; try again, and if "
        "that does not help, check the disk"
    )


def _discard_damaged(folder: Path, names: Iterable[str], root: Path) -> list[str]:
    wrong = [name for name in names if is_damaged(folder / name)]
    for name in wrong:
        _LOG.warning("%s is damaged: its content is not what its name says.", folder / name)
        discard(folder / name, root)
    return wrong
