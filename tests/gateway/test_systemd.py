from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest

from tests.gateway.gate import gate_of, needs_nginx
from tests.process.server import write_config


@pytest.mark.process
@needs_nginx
def test_the_supervisor_alone_notifies_systemd_once_nginx_serves(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(60)
        variables = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"}
        config = write_config(tmp_path)
        with gate_of(tmp_path, "--config", config, "--workers", "1", **variables) as gate:
            notified: list[str] = []
            while "READY=1" not in notified:
                notified += systemd.recv(4096).decode().splitlines()
            assert "WATCHDOG=1" in notified
            assert any("Listening on http" in line for line in gate.lines)
            (worker,) = gate.workers()
            assert "NOTIFY_SOCKET" not in psutil.Process(worker["pid"]).environ()
            assert gate.stop() == 0
