"""The hub's cache on disk: what is in it, and what of it is damaged.

<root>/models--<owner>--<name>/
    refs/<revision>            the commit that a branch or tag meant when it was last fetched
    snapshots/<commit>/<file>  a link to ../../blobs/<etag>
    blobs/<etag>               the content; its name is its hash
    blobs/<etag>.*.incomplete  a download, under way or killed
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from huggingface_hub import constants

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1: Final = re.compile(r"[0-9a-f]{40}")


def cache_root(models_dir: Path | None) -> Path:
    """The folder of all checkpoints: ``models_dir``, or what the hub's own variables say."""
    return Path(constants.HF_HUB_CACHE) if models_dir is None else models_dir


def cached_snapshot(root: Path, model_id: str, revision: str | None) -> Path | None:
    """The folder with the files of a revision; whether they are all there, nobody knows."""
    repository = root / _repository_name(model_id)
    commit = revision or constants.DEFAULT_REVISION
    if not _COMMIT.fullmatch(commit):
        try:
            commit = (repository / "refs" / commit).read_text()
        except (OSError, ValueError):
            return None
    snapshot = repository / "snapshots" / commit
    return snapshot if _COMMIT.fullmatch(commit) and snapshot.is_dir() else None


def names_in(folder: Path) -> set[str]:
    """The names of a folder's files, of links that lead nowhere too."""
    return {path.name for path in folder.iterdir()}


def is_damaged(path: Path) -> bool:
    """Whether the content of a snapshot's file is not what the name of its blob says.

    A file that is no link (where a file system has none) has no such name and passes.
    """
    if not (path.is_symlink() and path.is_file()):
        return False
    expected = path.readlink().name
    with path.open("rb") as content:
        if _SHA256.fullmatch(expected):
            return hashlib.file_digest(content, "sha256").hexdigest() != expected
        if _GIT_SHA1.fullmatch(expected):
            blob = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
            return hashlib.file_digest(content, lambda: blob).hexdigest() != expected
    return False


def discard(path: Path, root: Path) -> None:
    """Remove the content behind a snapshot's link.

    The link stays: it tells that a file is missing, not that the checkpoint has no such file.
    """
    # Blobs may themselves be links, to content that several repositories of the cache share.
    blob = path.parent / path.readlink()
    content = blob.resolve()
    blob.unlink()
    if content.is_relative_to(root.resolve()):
        content.unlink(missing_ok=True)


def remove_leftovers(root: Path, model_id: str) -> None:
    """Remove the unfinished files of downloads that were killed; not of those still under way."""
    name = _repository_name(model_id)
    for leftover in (root / name / "blobs").glob("*.incomplete"):
        lock = root / ".locks" / name / f"{leftover.name.split('.')[0]}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock, timeout=0, mode=0o664):
                leftover.unlink(missing_ok=True)
        except (Timeout, NotImplementedError):
            pass  # under way, or on a file system without locks, where nobody can tell


def _repository_name(model_id: str) -> str:
    return constants.REPO_ID_SEPARATOR.join(("models", *model_id.split("/")))
