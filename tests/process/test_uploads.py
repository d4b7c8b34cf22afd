"""Uploads that find no room, and what is left behind by all kinds of them."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.process.clients import Answer, Client, Numbers, ask, form, get, head, wait_until
from tests.process.server import ServerProcess, running, write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
SMALL: Final = encoded(chirp(1.0))
LARGE: Final = encoded(chirp(70.0))
"""Over 1 MiB: it is kept on disk."""
DISK: Final = 32 * 2**20


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on a small disk of its own, where this user may mount one."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    subprocess.run(command, capture_output=True, check=False)
    yield folder
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Iterator[ServerProcess]:
    """Keeps its uploads on that disk."""
    config = write_config(tmp_path_factory.mktemp("uploads"), max_upload_bytes=4_000_000)
    with running("--config", config, TMPDIR=str(disk)) as server:
        server.wait_until_ready()
        assert _post(server, LARGE).status == 200
        yield server


def _post(server: ServerProcess, recording: bytes, **headers: str) -> Answer:
    with Client(server.url) as client:
        return client.send(ask(recording, **headers)).answer()


def _assert_refused_for(server: ServerProcess, reason: str) -> None:
    busy = Numbers(server.url).of("audio_score_requests_total", outcome="overloaded")
    answer = _post(server, LARGE)
    assert answer.status == 503
    assert f"cannot keep uploads: {reason}" in answer.detail
    assert int(answer.headers["Retry-After"]) >= 1
    server.wait_for_line(lambda line: "could not be kept" in line and reason in line)
    assert _post(server, SMALL).status == 200
    assert get(server.url, "/health/ready").status == 200
    assert Numbers(server.url).of("audio_score_requests_total", outcome="overloaded") == busy + 1


def test_a_full_disk_refuses_uploads_until_there_is_room(server: ServerProcess, disk: Path) -> None:
    if not disk.is_mount():
        pytest.skip("this user may not mount a disk")
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(2 * DISK))
    _assert_refused_for(server, "No space left on device")
    filler.unlink()
    assert _post(server, LARGE).status == 200


def test_files_that_may_not_grow_refuse_uploads_until_they_may(server: ServerProcess) -> None:
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2**20, before[1]))
    _assert_refused_for(server, "File too large")
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
    assert _post(server, LARGE).status == 200
    assert "Traceback" not in server.log


def _cut(server: ServerProcess, recording: bytes, share: float) -> int:
    body = form(recording)
    with Client(server.url) as client:
        client.send(head(len(body)) + body[: int(share * len(body))])
    return 499


def _chunked(server: ServerProcess, recording: bytes, end: bytes) -> int:
    body = form(recording)
    with Client(server.url) as client:
        client.send(head(None) + b"%x\r\n%b\r\n%b" % (len(body), body, end))
        return client.answer().status if end else 499


KINDS: Final[tuple[tuple[int, Callable[[ServerProcess], int]], ...]] = (
    (499, lambda server: _cut(server, LARGE, 0.9)),
    (499, lambda server: _cut(server, SMALL, 0.9)),
    (499, lambda server: _cut(server, SMALL, 1.0)),
    (499, lambda server: _cut(server, LARGE, 1.0)),
    (499, lambda server: _chunked(server, LARGE, b"")),
    (200, lambda server: _chunked(server, SMALL, b"0\r\n\r\n")),
    (200, lambda server: _post(server, SMALL).status),
    (200, lambda server: _post(server, LARGE).status),
    (400, lambda server: _post(server, b"no sound").status),
    (404, lambda server: _post(server, SMALL, uid="no-such-film").status),
    (413, lambda server: _post(server, bytes(4_000_000)).status),
    (504, lambda server: _post(server, LARGE, X_Request_Timeout_Ms="1").status),
)
"""Requests of all kinds and how they end; 499 where the client leaves."""


def _ask_everything(server: ServerProcess, times: int) -> None:
    def ask_one(kind: tuple[int, Callable[[ServerProcess], int]]) -> bool:
        return kind[1](server) == kind[0]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask_one, KINDS * times))


def test_nothing_is_left_behind(server: ServerProcess, disk: Path) -> None:
    process = psutil.Process(server.process.pid)
    _ask_everything(server, 4)
    wait_until(lambda: not _temporary(process, disk))
    before = process.num_fds(), process.num_threads()
    _ask_everything(server, 25)
    wait_until(lambda: not _temporary(process, disk))
    wait_until(lambda: process.num_fds() <= before[0])
    assert process.num_threads() <= before[1] + 4  # as many requests at once
    assert not list(disk.iterdir())
    assert _post(server, SMALL).status == 200
    assert "Traceback" not in server.log


def _temporary(process: psutil.Process, disk: Path) -> list[str]:
    """Files without a name that the process has open."""
    found = []
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(entry.readlink()))
    return [target for target in found if target.startswith(str(disk))]
