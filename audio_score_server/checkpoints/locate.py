"""Where a checkpoint's files are: in a folder, in the hub's cache, or to be downloaded first."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from audio_score_server.checkpoints.errors import load_errors
from audio_score_server.checkpoints.hub import download_required
from audio_score_server.checkpoints.integrity import discard, is_damaged, remove_incomplete
from audio_score_server.checkpoints.required import (
    INDEX,
    Checkpoint,
    LocalCheckpoint,
    MissingFile,
    names_in,
    select_files,
)
from audio_score_server.errors import ModelLoadError

_LOG = logging.getLogger(__name__)
_CACHE: Final = Path(constants.HF_HUB_CACHE)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def locate(checkpoint: Checkpoint, models_dir: Path | None) -> Path:
    """The folder that has the required files of a checkpoint; their content is not checked.

    Nothing goes over the network where the checkpoint is a folder, or where the cache has all that
    is required; otherwise only what is missing is downloaded.

    Args:
        checkpoint: which files, and of what.
        models_dir: folder of downloaded checkpoints; None for the hub's own cache.

    Raises:
        ModelLoadError: it cannot be had; with cause and remedy in one line.
    """
    with load_errors(checkpoint):
        return _locate(checkpoint, models_dir or _CACHE).folder


def are_present(checkpoints: Iterable[Checkpoint], models_dir: Path | None) -> bool:
    """Whether all required files of checkpoints are here; nothing goes over the network."""
    return all(_is_present(each, models_dir or _CACHE) for each in checkpoints)


def _is_present(checkpoint: Checkpoint, root: Path) -> bool:
    folder = Path(checkpoint.model_id)
    if not folder.is_dir():
        return _find_cached(checkpoint, root) is not None
    try:
        names = select_files(checkpoint, names_in(folder), folder.joinpath)
    except (MissingFile, ModelLoadError, OSError):
        return False
    return all((folder / name).is_file() for name in names)


def download(checkpoint: Checkpoint, models_dir: Path | None) -> LocalCheckpoint:
    """Have every required file of a checkpoint in place, and its content right.

    Arguments and errors are those of ``locate``. Reads every byte; nothing goes over the network
    where nothing is missing or damaged. A folder is taken as it is: it has no hashes.
    """
    with load_errors(checkpoint):
        return _download(checkpoint, models_dir or _CACHE)


def _download(checkpoint: Checkpoint, root: Path) -> LocalCheckpoint:
    if Path(checkpoint.model_id).is_dir():
        return _locate(checkpoint, root)
    remove_incomplete(root, checkpoint.model_id)
    # First what names the rest: a damaged index cannot be asked for its shards.
    cached = cached_snapshot(checkpoint, root)
    small = (*checkpoint.required.small, INDEX)
    repaired = [] if cached is None else _discard_damaged(cached, small, root)
    downloaded = 0
    for _ in range(2):
        local = _locate(checkpoint, root)
        downloaded += local.downloaded_bytes
        _LOG.info("Checking %s in %s.", checkpoint.model_id, local.folder)
        damaged = _discard_damaged(local.folder, local.files, root)
        if not damaged:
            return replace(local, downloaded_bytes=downloaded, repaired=tuple(repaired))
        repaired += damaged
    raise ModelLoadError(
        f"{', '.join(damaged)} of {checkpoint.model_id} came damaged from the hub; try again, and "
        "if that does not help, check the disk"
    )


def _discard_damaged(folder: Path, names: Iterable[str], root: Path) -> list[str]:
    damaged = [name for name in names if is_damaged(folder / name)]
    for name in damaged:
        _LOG.warning("%s is damaged: its content has another hash than its name.", folder / name)
        discard(folder / name, root)
    return damaged


def _locate(checkpoint: Checkpoint, root: Path) -> LocalCheckpoint:
    folder = Path(checkpoint.model_id)
    if folder.is_dir():
        files = {name for name in names_in(folder) if (folder / name).is_file()}
        return LocalCheckpoint(folder, select_files(checkpoint, files, folder.joinpath))
    return _find_cached(checkpoint, root) or download_required(checkpoint, root)


def _find_cached(checkpoint: Checkpoint, root: Path) -> LocalCheckpoint | None:
    """The checkpoint, where the cache has all of it.

    A link that leads nowhere counts as a name: what was there and is gone is required again.
    """
    folder = cached_snapshot(checkpoint, root)
    if folder is None:
        return None
    try:
        names = select_files(checkpoint, names_in(folder), folder.joinpath)
    except (MissingFile, FileNotFoundError):
        return None
    found = all((folder / name).is_file() for name in names)
    return LocalCheckpoint(folder, names) if found else None


def cached_snapshot(checkpoint: Checkpoint, root: Path) -> Path | None:
    """The folder with those files of a revision that the cache has; perhaps not all of them."""
    try:
        # No patterns: which files must be there is not known before some have been read.
        found = snapshot_download(
            checkpoint.model_id,
            revision=checkpoint.revision,
            cache_dir=root,
            local_files_only=True,
            allow_patterns=[],
        )
    except (LocalEntryNotFoundError, UnicodeDecodeError):
        return None
    # A damaged ref leads elsewhere.
    return Path(found) if _COMMIT.fullmatch(Path(found).name) else None
