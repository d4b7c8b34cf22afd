"""Real gateways for tests: the supervisor, its workers, Nginx, and load on them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
import pytest

from tests.process.clients import Client, ask
from tests.process.server import ROOT, ServerProcess, clean_environment, write_config
from tests.support import chirp, encoded

SECOND: Final = encoded(chirp(1.0))
CLIENTS: Final = 32
_LISTENING: Final = re.compile(r"^\S+ \S+ INFO +Listening on (\S+)\.$")
_PATIENCE_S: Final = 60.0
_LOOK_S: Final = 0.05

needs_nginx: Final = pytest.mark.skipif(
    shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="there is no nginx; on Debian: apt-get install nginx-light",
)


class Gate(ServerProcess):
    """A running ``run_server_with_gate.py``."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        super().__init__(process)
        self.folder = folder

    @property
    def url(self) -> str:
        line = self.wait_for_line(lambda line: _LISTENING.search(line) is not None)
        match = _LISTENING.search(line)
        assert match is not None
        return match[1]

    @property
    def status(self) -> dict[str, Any]:
        """What the supervisor has written down last."""
        text = (self.folder / "run" / "status.json").read_text()
        status: dict[str, Any] = json.loads(text)
        return status

    def workers(self) -> list[dict[str, Any]]:
        return [each for each in self.status["processes"] if each["name"].startswith("worker")]

    def nginx(self) -> dict[str, Any]:
        processes: list[dict[str, Any]] = self.status["processes"]
        (nginx,) = (each for each in processes if each["name"] == "nginx")
        return nginx

    def is_serving(self) -> bool:
        return bool(self.status["state"] == "serving")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Look again and again until it is so."""
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, f"it never came to be:\n{self.log}"
            time.sleep(_LOOK_S)


@contextmanager
def gate_of(folder: Path, *flags: str, **variables: str) -> Iterator[Gate]:
    """A supervisor with its files in a folder; killed at the end if it still runs."""
    process = subprocess.Popen(
        [
            *(sys.executable, str(ROOT / "run_server_with_gate.py"), "--listen-port", "0"),
            *("--run-dir", str(folder / "run"), "--log-dir", str(folder / "logs"), *flags),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(variables),
    )
    gate = Gate(process, folder)
    try:
        yield gate
    finally:
        gate.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        gate.kill()


@contextmanager
def serving_gate(
    folder: Path, workers: int, *flags: str, batch_ms: float = 100, **settings: object
) -> Iterator[Gate]:
    """A supervisor of workers with a stand-in for a model, once it serves."""
    config = write_config(folder, batch_ms=batch_ms, **settings)
    with gate_of(folder, "--config", config, "--workers", str(workers), *flags) as gate:
        assert gate.url
        yield gate


def left_of(folder: Path) -> list[str]:
    """Processes that have to do with a folder: by their command line or their working folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            here = process.cwd().startswith(str(folder)) or str(folder) in words
            if here and process.pid != psutil.Process().pid:
                found.append(f"{process.pid} {process.status()} {words}")
    return found


def wait_until_none_is_left(folder: Path) -> None:
    deadline = time.monotonic() + 5
    while left_of(folder) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    assert left_of(folder) == []


class Load:
    """Clients that each send a recording, wait for the score, and send the next one.

    They keep their connections. One that was closed without an answer, after it had carried others,
    is opened anew and the request sent again, as RFC 9112 (9.3.1) has clients do; on a new
    connection, nothing but an answer will do. When nobody listens any more they go home.
    """

    def __init__(self, url: str, clients: int = CLIENTS) -> None:
        self.outcomes: list[str] = []
        self.slowest_s = 0.0
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int = 2 * CLIENTS) -> None:
        """Until so many more requests have been answered."""
        wanted = len(self.outcomes) + count
        deadline = time.monotonic() + _PATIENCE_S
        while len(self.outcomes) < wanted:
            assert time.monotonic() < deadline, Counter(self.outcomes)
            time.sleep(_LOOK_S)

    @property
    def counts(self) -> dict[str, int]:
        """Requests by what became of them."""
        return dict(Counter(self.outcomes))

    def _go(self) -> None:
        client: Client | None = None
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                client, outcome = self._post(client)
            except ConnectionRefusedError:
                return
            except ConnectionError as error:
                client, outcome = None, repr(error)
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            self.outcomes.append(outcome)
        if client is not None:
            client.leave()

    def _post(self, client: Client | None) -> tuple[Client | None, str]:
        """Send a request; the connection, if it is still good, and what became of the request."""
        if client is not None:
            try:
                return self._answered(client)
            except ConnectionError:
                pass
        return self._answered(Client(self._url))

    def _answered(self, client: Client) -> tuple[Client | None, str]:
        """As ``_post``.

        Raises:
            ConnectionError: there is no answer, not even its beginning.
        """
        try:
            answer = client.send(ask(SECOND)).answer()
        except ConnectionError:
            client.leave()
            raise
        except (HTTPException, TimeoutError) as error:
            client.leave()
            return None, repr(error)
        outcome = "200" if answer.status == 200 else f"{answer.status} {answer.body!r}"
        if answer.headers["Connection"] == "close":
            client.leave()
            return None, outcome
        return client, outcome
