"""Downloading a checkpoint's required files from the Hugging Face hub, in bounded time.

The library does it file by file. Its ``snapshot_download`` would do so in threads that it waits
for: Ctrl+C would have to wait until gigabytes have come.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache, partial
from pathlib import Path
from threading import Thread
from typing import Final

import httpx
from huggingface_hub import (
    HfApi,
    ModelInfo,
    constants,
    get_session,
    hf_hub_download,
    hf_raise_for_status,
    set_client_factory,
    try_to_load_from_cache,
)
from huggingface_hub import logging as hub_logging

from audio_score_server.checkpoints.progress import progress_bar, readable_size
from audio_score_server.checkpoints.required import Checkpoint, LocalCheckpoint, select_files
from audio_score_server.errors import ModelLoadError

_LOG = logging.getLogger(__name__)
_CONTACT_S: Final = 8.0
"""Longest wait for the hub's first answer, with looking its name up and trying its addresses."""
_TRIES: Final = 3
"""How often a file is begun whose connection is reset; the library goes on after a plain end."""


def download_required(checkpoint: Checkpoint, root: Path) -> LocalCheckpoint:
    """Download those required files of a checkpoint that the cache in ``root`` lacks.

    Raises:
        ModelLoadError: the checkpoint lacks required files, or the disk has no room for them.
        httpx.HTTPError, OSError, ValueError, KeyError: whatever the library raises.
    """
    _bound_client()
    root.mkdir(parents=True, exist_ok=True)
    info = _model_info(checkpoint)
    files = (file for file in info.siblings or () if "/" not in file.rfilename)
    downloader = _Downloader(checkpoint, root, {file.rfilename: file.size or 0 for file in files})
    names = select_files(checkpoint, downloader.sizes, downloader.path_of)
    found = partial(try_to_load_from_cache, checkpoint.model_id, cache_dir=root, revision=info.sha)
    downloader.announce([name for name in names if not isinstance(found(name), str)])
    paths = [downloader.path_of(name) for name in names]
    return LocalCheckpoint(paths[0].parent, names, downloader.downloaded_bytes)


class _Downloader:
    """Downloads the files of one checkpoint, whose ``sizes`` are in bytes."""

    def __init__(self, checkpoint: Checkpoint, root: Path, sizes: dict[str, int]) -> None:
        self.downloaded_bytes = 0
        self.sizes = sizes
        self._id = checkpoint.model_id
        self._root = root
        # The first file is asked for by the revision's own name, which makes the cache remember
        # the commit; all others by that commit: a checkpoint is of one commit.
        self._revision = checkpoint.revision or constants.DEFAULT_REVISION

    def announce(self, names: Sequence[str]) -> None:
        """Log what is about to come; ``ModelLoadError`` where the disk has no room for it."""
        # The library looks file by file, and only warns.
        size = sum(self.sizes[name] for name in names)
        free = shutil.disk_usage(self._root).free
        if size > free:
            raise ModelLoadError(
                f"{self._id} needs {readable_size(size)} in {self._root}, which has "
                f"{readable_size(free)} left; make room, or name another folder with models_dir"
            )
        if names:
            _LOG.info("Fetching %s, %s: %s.", self._id, readable_size(size), ", ".join(names))

    def path_of(self, name: str) -> Path:
        """Where a file is, downloaded if need be."""
        bar = progress_bar(name)
        for attempt in range(1, _TRIES + 1):
            try:
                path = hf_hub_download(
                    self._id, name, revision=self._revision, cache_dir=self._root, tqdm_class=bar
                )
                break
            except httpx.ReadError:
                if attempt == _TRIES:
                    raise
                _LOG.info("%s: the connection was cut; starting it again.", name)
        self.downloaded_bytes += self.sizes[name] if bar.used else 0
        self._revision = Path(path).parent.name
        return Path(path)


def _model_info(checkpoint: Checkpoint) -> ModelInfo:
    """Commit, names and sizes of a checkpoint's files.

    In a thread of its own: neither looking up a name nor trying one address of a host after the
    other can be bounded from within.
    """
    answer: Future[ModelInfo] = Future()
    name, revision = checkpoint.model_id, checkpoint.revision

    def ask() -> None:
        try:
            answer.set_result(HfApi().model_info(name, revision=revision, files_metadata=True))
        except Exception as error:
            answer.set_exception(error)

    Thread(target=ask, daemon=True).start()
    try:
        return answer.result(_CONTACT_S)
    except TimeoutError:
        hub = httpx.Request("GET", constants.ENDPOINT)
        raise httpx.ConnectTimeout(f"no answer within {_CONTACT_S:.0f} s", request=hub) from None


@cache
def _bound_client() -> None:
    """Have the library's client end in time and keep quiet.

    Left alone it waits minutes for a hub that does not answer, and as long as the hub pleases where
    that asks to be tried later.
    """
    # Its other way to transfer files, by a library of its own (xet), knows none of these bounds;
    # every file comes by plain HTTP too.
    constants.HF_HUB_DISABLE_XET = True
    # Asking who is asking is one more request, made before all others.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    # Addresses may be signed; it logs them, past the server's log format too, and what it builds
    # on logs headers. What matters is raised.
    hub_logging.set_verbosity(logging.CRITICAL)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    hooks = get_session().event_hooks
    hooks["request"].append(_bound)
    hooks["response"].append(_refuse_to_wait)
    set_client_factory(lambda: httpx.Client(event_hooks=hooks, follow_redirects=True))


def _bound(request: httpx.Request) -> None:
    """No step of a request takes longer than the library's variable says, 10 s by default."""
    request.extensions["timeout"] = httpx.Timeout(constants.HF_HUB_DOWNLOAD_TIMEOUT).as_dict()


def _refuse_to_wait(response: httpx.Response) -> None:
    """Raise where the library would sleep for as long as the answer says, and ask again."""
    if response.status_code in (408, 429) or response.status_code >= 500:
        response.read()
        hf_raise_for_status(response)
