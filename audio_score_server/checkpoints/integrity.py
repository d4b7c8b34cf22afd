"""Whether files in the hub's cache are what the hub says, and removing those that are not.

The library does not tell this without the network: ``verify_repo_checksums`` asks the hub for its
hashes, and for every file of a repository. The cache has them already, as names of its blobs:

<root>/models--<owner>--<name>/
    snapshots/<commit>/<file>  a link to ../../blobs/<hash>
    blobs/<hash>               the content: SHA-256 of weights, git's SHA-1 of small files
    blobs/<hash>.*.incomplete  a download, under way or killed
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1: Final = re.compile(r"[0-9a-f]{40}")


def is_damaged(path: Path) -> bool:
    """Whether the content of a snapshot's file has another hash than the name of its blob.

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
    """Remove the content behind a snapshot's link ``path`` from the cache in ``root``.

    The link stays: it tells that a file is missing, not that the checkpoint has no such file.
    """
    # Blobs may themselves be links, to content that several repositories of the cache share.
    blob = path.parent / path.readlink()
    content = blob.resolve()
    blob.unlink()
    if content.is_relative_to(root.resolve()):
        content.unlink(missing_ok=True)


def remove_incomplete(root: Path, model_id: str) -> None:
    """Remove what killed downloads left of a repository's files, not those still under way.

    The library lists such files (``scan_cache_dir``) without telling the two apart, and never takes
    one up again.
    """
    repository = f"models--{model_id.replace('/', '--')}"
    for incomplete in (root / repository / "blobs").glob("*.incomplete"):
        lock = root / ".locks" / repository / f"{incomplete.name.split('.')[0]}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock, timeout=0, mode=0o664):
                incomplete.unlink(missing_ok=True)
        except (Timeout, NotImplementedError):
            pass  # under way, or on a file system without locks, where nobody can tell
