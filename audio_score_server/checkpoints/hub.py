"""Fetching from the model hub what is wanted of a checkpoint."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

import httpx
from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.hf_api import ModelInfo

from audio_score_server.checkpoints.bars import bar_of
from audio_score_server.checkpoints.cache import cached_snapshot
from audio_score_server.checkpoints.client import bound_client
from audio_score_server.checkpoints.refusals import UNREACHABLE
from audio_score_server.checkpoints.sizes import readable_size
from audio_score_server.checkpoints.wanted import Checkpoint, choose
from audio_score_server.errors import ModelLoadError

_LOG = logging.getLogger(__name__)
_CONTACT_S: Final = 8.0
"""Longest wait for the hub's first answer, with looking its name up and trying its addresses."""
_TRIES: Final = 3
"""How often a file is begun whose connection is reset."""


def fetch(checkpoint: Checkpoint, root: Path) -> tuple[Path, tuple[str, ...], int]:
    """Fetch what is wanted of a checkpoint and not in the cache yet.

    Returns:
        The snapshot's folder, the names of the wanted files, and how many bytes were fetched.

    Raises:
        ModelLoadError: the checkpoint lacks what is wanted, or the hub does not answer.
        OSError, ValueError, KeyError: whatever the hub's client raises.
    """
    bound_client()
    root.mkdir(parents=True, exist_ok=True)
    info = _ask(checkpoint)
    files = (file for file in info.siblings or () if "/" not in file.rfilename)
    sizes = {file.rfilename: file.size or 0 for file in files}
    fetcher = _Fetcher(checkpoint, root, sizes)
    names = choose(checkpoint, sizes, fetcher.have)
    cached = cached_snapshot(root, checkpoint.model_id, info.sha)
    fetcher.announce([name for name in names if not (cached and (cached / name).is_file())])
    paths = [fetcher.have(name) for name in names]
    return paths[0].parent, names, fetcher.fetched_bytes


class _Fetcher:
    """Gets one file of a checkpoint after another."""

    def __init__(self, checkpoint: Checkpoint, root: Path, sizes: dict[str, int]) -> None:
        self.fetched_bytes = 0
        self._id = checkpoint.model_id
        self._root = root
        self._sizes = sizes
        # The first file is asked for by the revision's own name, which makes the cache remember
        # the commit; all others by that commit: a checkpoint is of one commit.
        self._revision = checkpoint.revision or constants.DEFAULT_REVISION

    def announce(self, names: Sequence[str]) -> None:
        """Tell what is about to be fetched, and whether there is room for it."""
        size = sum(self._sizes[name] for name in names)
        free = shutil.disk_usage(self._root).free
        if size > free:
            raise ModelLoadError(
                f"{self._id} needs {readable_size(size)} in {self._root}, which has "
                f"{readable_size(free)} left; make room, or name another folder with models_dir"
            )
        if names:
            _LOG.info("Fetching %s, %s: %s.", self._id, readable_size(size), ", ".join(names))

    def have(self, name: str) -> Path:
        """Where a file is, fetched if need be."""
        for attempt in range(1, _TRIES + 1):
            try:
                path = self._download(name)
                break
            except httpx.ReadError:
                if attempt == _TRIES:
                    raise
                _LOG.info("%s: the connection was cut; starting it again.", name)
        self._revision = path.parent.name
        return path

    def _download(self, name: str) -> Path:
        bar = bar_of(name)
        path = hf_hub_download(
            self._id,
            name,
            revision=self._revision,
            cache_dir=self._root,
            etag_timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            tqdm_class=bar,
        )
        if bar.used:
            self.fetched_bytes += self._sizes[name]
        return Path(path)


def _ask(checkpoint: Checkpoint) -> ModelInfo:
    """What the hub says of a checkpoint.

    In a thread of its own: neither looking up a name nor trying one address of a host after the
    other can be bounded from within.
    """
    answers: SimpleQueue[ModelInfo | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            info = HfApi().model_info(
                checkpoint.model_id, revision=checkpoint.revision, files_metadata=True
            )
            answers.put(info)
        except Exception as error:
            answers.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_CONTACT_S)
    except Empty:
        host = httpx.URL(constants.ENDPOINT).host
        raise ModelLoadError(
            f"{host} cannot be reached (no answer within {_CONTACT_S:.0f} s); {UNREACHABLE}"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    return answer
