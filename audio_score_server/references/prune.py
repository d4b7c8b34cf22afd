"""Removing cache entries that nothing can ask for any more."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from audio_score_server.library.clip import BUILT_IN, ClipId, Library
from audio_score_server.references.entry import MANIFEST
from audio_score_server.references.store import BUILDING

_LOG = logging.getLogger(__name__)


def prune(
    cache_dir: Path, model_keys: Collection[str], library: Library, min_age_s: float = 0.0
) -> int:
    """Remove entries of clips that are gone and of models that are no longer configured.

    Only folders that hold a manifest are taken for entries, and nothing is removed while the
    library is empty: a clip folder that is not mounted must not cost the whole cache.

    Args:
        cache_dir: folder of all models' entries.
        model_keys: every model in the settings, also those not loaded now.
        library: the clips that there are.
        min_age_s: younger entries stay: another worker may know clips that this one does not yet.

    Returns:
        How many entries were removed.
    """
    if not len(library):
        return 0
    wanted = {clip.id for clip in library.clips()}
    stale = [
        entry
        for model, clip_id, entry in _entries(cache_dir)
        if model not in model_keys or (clip_id not in wanted and clip_id.uid != BUILT_IN)
        if not min_age_s or time.time() - _written(entry) > min_age_s
    ]
    for entry in stale:
        shutil.rmtree(entry, ignore_errors=True)
        _remove_if_empty(entry.parent)
    for model in _folders(cache_dir):
        if model.name not in model_keys and [f.name for f in _folders(model)] == [BUILDING]:
            shutil.rmtree(model / BUILDING, ignore_errors=True)
            _remove_if_empty(model)
    if stale:
        _LOG.info("Removed %d cache entries of clips or models that are gone.", len(stale))
    return len(stale)


def _entries(cache_dir: Path) -> Iterator[tuple[str, ClipId, Path]]:
    for model in _folders(cache_dir):
        for video in _folders(model):
            if video.name == BUILDING:
                continue
            for clip in _folders(video):
                if (clip / MANIFEST).is_file():
                    yield model.name, ClipId(video.name, clip.name), clip


def _written(entry: Path) -> float:
    try:
        return (entry / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        # Not empty, or another worker was faster.
        return
