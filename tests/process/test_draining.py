"""Told to stop while requests are received, queued and running."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.process.clients import Client, ask, form, get, head, queued, wait_until
from tests.process.gated import GatedServer, gated
from tests.process.server import write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
SECOND: Final = encoded(chirp(1.0))
LISTENERS: Final = pytest.mark.parametrize("listener", ["port", "socket"])


@dataclass
class _Busy:
    """A server with a request on its device, two in its queue and one half received."""

    server: GatedServer
    running: Client
    queued: list[Client]
    uploading: Client

    def clients(self) -> list[Client]:
        return [self.running, *self.queued, self.uploading]


@contextmanager
def _busy(folder: Path, listener: str, **settings: Any) -> Iterator[_Busy]:
    flags = ("--socket", str(_path(folder))) if listener == "socket" else ()
    config = write_config(folder, max_batch_size=1, **settings)
    with gated(config, *flags) as server:
        running = Client(server.url).send(ask(SECOND))
        assert server.given() == [1.0]
        uploading = Client(server.url).send(head(len(form(SECOND))))
        waiting = [Client(server.url).send(ask(SECOND)) for _ in range(2)]
        busy = _Busy(server, running, waiting, uploading)
        wait_until(lambda: queued(server.url) == 2)
        yield busy
        for client in busy.clients():
            client.leave()


def _path(folder: Path) -> Path:
    return folder / "server.sock"


def _readiness_until_refused(url: str) -> list[int]:
    """What ``/health/ready`` says, again and again, until nobody listens any more."""
    told: list[int] = []
    while True:
        try:
            told.append(get(url, "/health/ready").status)
        except (ConnectionError, FileNotFoundError):
            return told


@LISTENERS
def test_nothing_that_is_under_way_is_lost(tmp_path: Path, listener: str) -> None:
    with _busy(tmp_path, listener) as busy:
        server = busy.server
        server.process.send_signal(signal.SIGTERM)
        told = _readiness_until_refused(server.url)
        assert told == sorted(told)
        assert set(told) <= {200, 503}
        busy.uploading.send(form(SECOND))
        server.order()
        assert [server.run() for _ in range(3)] == [[1.0]] * 3
        assert [client.answer().status for client in busy.clients()] == [200] * 4
        assert server.wait() == 0
    assert "Traceback" not in server.log
    assert not _path(tmp_path).exists()


@LISTENERS
def test_who_still_waits_after_the_grace_period_is_told(tmp_path: Path, listener: str) -> None:
    with _busy(tmp_path, listener, shutdown_timeout_s=0.3) as busy:
        server = busy.server
        server.process.send_signal(signal.SIGTERM)
        answers = [client.answer() for client in busy.clients()]
        assert [answer.status for answer in answers] == [503] * 4
        assert ["stopping" in answer.detail for answer in answers] == [True] * 4
        assert [int(answer.headers["Retry-After"]) >= 1 for answer in answers] == [True] * 4
        server.free()
        assert server.wait() == 0
    assert "Traceback" not in server.log
    assert not _path(tmp_path).exists()


@pytest.mark.parametrize(
    ("listener", "second"), [("port", signal.SIGTERM), ("socket", signal.SIGINT)]
)
def test_a_second_signal_ends_it_at_once(
    tmp_path: Path, listener: str, second: signal.Signals
) -> None:
    with _busy(tmp_path, listener) as busy:
        server = busy.server
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_line(lambda line: "Shutting down" in line)
        server.process.send_signal(second)
        assert server.wait() == 1
    assert "Told to stop once more" in server.log
    assert "Traceback" not in server.log
    assert not _path(tmp_path).exists()
