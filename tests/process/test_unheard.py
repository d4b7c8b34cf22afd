"""Nobody hears what a server logs; it serves, and ends in order, all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.process.clients import Client, ask, get, wait_until
from tests.process.server import ROOT, clean_environment, write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
SECOND: Final = encoded(chirp(1.0))
_TO: Final = {"a full disk": "2>/dev/full", "nothing": "2>&-", "nothing at all": ">&- 2>&- <&-"}


@contextmanager
def unheard(where: str, *command: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the repository whose standard error leads somewhere else."""
    heard, told = os.pipe()
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {_TO.get(where, "")}', "sh", sys.executable, *command],
        stderr=told,
        env=clean_environment(variables),
    )
    os.close(told)
    # Whoever read it has gone.
    os.close(heard)
    try:
        yield process
    finally:
        # A supervisor's children, too, end in order.
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("where", ["a reader that has gone", *_TO])
def test_a_server_that_nobody_hears_serves_and_ends_in_order(where: str, tmp_path: Path) -> None:
    url = f"unix:{tmp_path}/s"
    config = write_config(tmp_path, log_level="debug")
    server = (str(ROOT / "run_server.py"), "--config", config, "--socket", f"{tmp_path}/s")
    with unheard(where, *server) as process:
        wait_until(lambda: _is_ready(url))
        with Client(url) as client:
            answers = [client.send(ask(SECOND)).answer() for _ in range(3)]
            answers.append(client.send(ask(b"nonsense")).answer())
        assert [answer.status for answer in answers] == [200, 200, 200, 400]
        process.terminate()
        assert process.wait(30) == 0


def _is_ready(url: str) -> bool:
    try:
        return get(url, "/health/ready").status == 200
    except OSError:
        return False
