"""Nobody reads what a supervisor and its workers log; they serve and exit in order all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway.gate import SECOND, needs_nginx
from tests.process.clients import Client, ask, wait_until
from tests.process.server import ROOT, write_config
from tests.process.test_unheard import unheard

pytestmark = [pytest.mark.process, needs_nginx]


@pytest.mark.parametrize("where", ["a reader that has gone", "nothing"])
def test_a_gateway_whose_log_nobody_reads_serves_and_exits_in_order(
    where: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path)
    words = ("--config", config, "--workers", "1", "--listen-port", "0")
    folders = ("--run-dir", str(tmp_path / "run"), "--log-dir", str(tmp_path / "logs"))
    program = str(ROOT / "run_server_with_gate.py")
    with unheard(where, program, *words, *folders) as process:
        wait_until(lambda: _status(tmp_path).get("state") == "serving")
        with Client(_status(tmp_path)["url"]) as client:
            assert client.send(ask(SECOND)).answer().status == 200
        process.terminate()
        assert process.wait(30) == 0


def _status(folder: Path) -> dict[str, str]:
    try:
        status: dict[str, str] = json.loads((folder / "run" / "status.json").read_text())
    except FileNotFoundError:
        return {}
    return status
