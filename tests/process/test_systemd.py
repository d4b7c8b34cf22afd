"""What systemd is notified of, over real datagram sockets."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

import pytest

from audio_score_server.telemetry.systemd import Systemd
from tests.process.clients import Client, ask, get, queued, wait_until
from tests.process.gated import LIE
from tests.process.server import running, write_config
from tests.process.supervised import HELD_S, Manager, supervised
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
SECOND: Final = encoded(chirp(1.0))
LIMIT_S: Final = 0.4
"""For a watchdog ping."""
SILENCE_S: Final = 2 * LIMIT_S
"""So long a silence is no delay."""


def _address(folder: Path, abstract: bool) -> str:
    return f"@audio-score-tests-{os.getpid()}-{folder.name}" if abstract else str(folder / "n")


@pytest.mark.parametrize("abstract", [False, True])
def test_it_notifies_when_it_is_ready_and_when_it_stops(tmp_path: Path, abstract: bool) -> None:
    with (
        Manager(_address(tmp_path, abstract)) as manager,
        supervised(write_config(tmp_path), manager, 60.0) as server,
    ):
        assert server.given() == [1.0]
        assert manager.wait_for("STATUS") == "The server is starting."
        assert not [fields for fields in manager.heard if "READY" in fields]
        server.order()
        assert manager.wait_for("READY") == "1"
        assert get(server.url, "/health/ready").status == 200
        assert manager.heard[-1]["STATUS"] == "The server is ready."
        with Client(server.url) as client:
            client.send(ask(SECOND))
            assert server.given() == [1.0]
            server.process.terminate()
            assert manager.wait_for("STOPPING") == "1"
            assert server.process.poll() is None
            server.order()
            assert client.answer().status == 200
        assert server.wait() == 0
    assert len([fields for fields in manager.heard if "READY" in fields]) == 1
    assert "Traceback" not in server.log


def test_watchdog_pings_come_twice_a_limit_as_long_as_the_device_advances(tmp_path: Path) -> None:
    config = write_config(tmp_path, request_timeout_s=0.5, max_batch_size=1)
    with (
        Manager(_address(tmp_path, False)) as manager,
        supervised(config, manager, LIMIT_S) as server,
    ):
        server.run()
        manager.wait_for("READY")
        for _ in range(10):
            manager.wait_for("WATCHDOG", within_s=LIMIT_S)
        clients = [Client(server.url).send(ask(SECOND))]
        assert server.given() == [1.0]
        clients.append(Client(server.url).send(ask(SECOND)))
        wait_until(lambda: queued(server.url) == 1)
        manager.wait_for("STATUS", "taken no request for 0.5 s")
        manager.empty()
        assert manager.is_silent_for(SILENCE_S)
        assert get(server.url, "/health/live").status == 200
        server.order()
        manager.wait_for("WATCHDOG")
        assert [client.answer().status for client in clients] == [504] * 2
        for client in clients:
            client.leave()
    assert "No more watchdog pings" in server.log
    assert "Traceback" not in server.log


def test_an_unhealthy_model_ends_the_watchdog_pings_until_it_is_healthy(tmp_path: Path) -> None:
    config = write_config(tmp_path, canary_interval_s=0.01)
    with (
        Manager(_address(tmp_path, False)) as manager,
        supervised(config, manager, LIMIT_S) as server,
    ):
        server.run()
        server.run()
        manager.wait_for("READY")
        assert server.given() == [1.0]
        server.order(LIE)
        manager.wait_for("STATUS", "Unhealthy: model fake: a known recording scored")
        assert server.given() == [1.0]
        manager.empty()
        assert manager.is_silent_for(SILENCE_S)
        server.order()
        manager.wait_for("WATCHDOG")
        assert len([fields for fields in manager.heard if "READY" in fields]) == 1


def test_an_event_loop_that_is_stuck_sends_no_watchdog_ping(tmp_path: Path) -> None:
    with (
        Manager(_address(tmp_path, False)) as manager,
        supervised(write_config(tmp_path), manager, LIMIT_S) as server,
    ):
        server.run()
        manager.wait_for("READY")
        manager.wait_for("WATCHDOG", within_s=LIMIT_S)
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: manager.is_silent_for(SILENCE_S))
        manager.wait_for("WATCHDOG", within_s=HELD_S + LIMIT_S)


def test_a_manager_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    with running("--config", write_config(tmp_path), NOTIFY_SOCKET=nowhere) as server:
        server.wait_until_ready()
        server.wait_for_line(lambda line: "Cannot notify systemd of STATUS: No such file" in line)
        assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("environment", "limit_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_that_of_this_process(
    environment: dict[str, str], limit_s: float | None
) -> None:
    systemd = Systemd.found({"NOTIFY_SOCKET": "/run/n", **environment}, pid=7)
    assert systemd is not None
    assert systemd.watchdog_s == limit_s
    systemd.close()


@pytest.mark.parametrize("address", [None, "", "vsock:2:9999", "relative"])
def test_without_a_socket_nobody_is_told(address: str | None) -> None:
    assert Systemd.found({} if address is None else {"NOTIFY_SOCKET": address}, pid=7) is None
