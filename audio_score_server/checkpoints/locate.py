"""Where a checkpoint's files are; fetched first where they are nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audio_score_server.checkpoints.cache import cache_root, cached_snapshot, names_in
from audio_score_server.checkpoints.hub import fetch
from audio_score_server.checkpoints.refusals import explained
from audio_score_server.checkpoints.wanted import Checkpoint, Lacking, choose


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint at hand.

    Attributes:
        folder: where its files are.
        names: the wanted ones.
        fetched_bytes: how much of them had to be fetched.
    """

    folder: Path
    names: tuple[str, ...]
    fetched_bytes: int = 0


def locate(checkpoint: Checkpoint, models_dir: Path | None) -> Path:
    """The folder that has the wanted files of a checkpoint.

    Nothing goes over the network where the checkpoint is a folder, or where the cache has all that
    is wanted; otherwise only what is missing is fetched.

    Args:
        checkpoint: what is wanted.
        models_dir: folder of fetched checkpoints; None for the hub's own cache.

    Raises:
        ModelLoadError: it cannot be had; with cause and remedy in one line.
    """
    return find(checkpoint, models_dir).folder


def find(checkpoint: Checkpoint, models_dir: Path | None) -> Found:
    """As ``locate``, with the names of the files and how much was fetched."""
    with explained(checkpoint):
        folder = Path(checkpoint.model_id)
        if folder.is_dir():
            files = {name for name in names_in(folder) if (folder / name).is_file()}
            return Found(folder, choose(checkpoint, files, folder.joinpath))
        root = cache_root(models_dir)
        cached = _find_cached(checkpoint, root)
        if cached is not None:
            return cached
        snapshot, names, size = fetch(checkpoint, root)
        return Found(snapshot, names, size)


def _find_cached(checkpoint: Checkpoint, root: Path) -> Found | None:
    """What the cache has, where that is all.

    A link that leads nowhere counts as a name: what was there and is gone is wanted back.
    """
    folder = cached_snapshot(root, checkpoint.model_id, checkpoint.revision)
    if folder is None:
        return None
    try:
        names = choose(checkpoint, names_in(folder), folder.joinpath)
    except Lacking:
        return None
    return Found(folder, names) if all((folder / name).is_file() for name in names) else None
