"""Under load, SIGHUP replaces the workers and SIGTERM ends everything; no request is lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.gate import (
    SECOND,
    Gate,
    Load,
    needs_nginx,
    serving_gate,
    wait_until_none_is_left,
)
from tests.process.clients import Client, ask, get, wait_until

pytestmark = [pytest.mark.process, needs_nginx]


def _change(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def _reload(gate: Gate, message: str) -> None:
    before = len(gate.lines)
    gate.process.send_signal(signal.SIGHUP)
    gate.wait_for(lambda: any(message in line for line in gate.lines[before:]))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_are_replaced_one_at_a_time(tmp_path: Path, workers: int) -> None:
    with serving_gate(tmp_path, workers, batch_ms=10) as gate:
        before = {worker["pid"] for worker in gate.workers()}
        model = {"key": "newer", "type": "fake", "batch_ms": 10}
        with Load(gate.url) as load:
            _change(tmp_path, models=[model])
            _reload(gate, "All workers have been replaced.")
            load.wait_for_more()
        assert list(load.counts) == ["200"]
        assert before.isdisjoint(worker["pid"] for worker in gate.workers())
        assert [worker["restarts"] for worker in gate.workers()] == [0] * workers
        assert [model["key"] for model in get(gate.url, "/models").json] == ["newer"]
        sockets = {path.name for path in (tmp_path / "run").glob("worker-*.*.sock")}
        assert len(sockets) == workers
        assert len(list((tmp_path / "logs" / "worker_temp").iterdir())) == workers


def test_wrong_settings_and_workers_that_fail_change_nothing(tmp_path: Path) -> None:
    with serving_gate(tmp_path, 1) as gate:
        (before,) = gate.workers()
        good = (tmp_path / "config.json").read_text()
        (tmp_path / "config.json").write_text("{")
        _reload(gate, "Everything stays as it was, the new settings are wrong: ")
        (tmp_path / "config.json").write_text(good)
        broken = {"key": "w", "type": "whisper", "model_id": str(tmp_path)}
        _change(tmp_path, models=[broken])
        _reload(gate, "the others stay as they are.")
        assert gate.workers() == [before]
        assert get(gate.url, "/models").json[0]["key"] == "fake"
        (tmp_path / "config.json").write_text(good)
        _change(tmp_path, max_upload_bytes=2_000_000)
        _reload(gate, "All workers have been replaced.")
        assert "client_max_body_size 3048576;" in (tmp_path / "run" / "nginx.conf").read_text()


def test_the_end_loses_no_request_and_leaves_nothing(tmp_path: Path) -> None:
    with serving_gate(tmp_path, 2, batch_ms=200) as gate:
        with Load(gate.url) as load:
            assert gate.stop() == 0
        assert list(load.counts) == ["200"]
        # Whoever was let in before was answered: as many as the workers say.
        assert len(load.outcomes) == _answered(gate)
    wait_until_none_is_left(tmp_path)
    assert list((tmp_path / "run").iterdir()) == []
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        "access.log",
        "nginx-error.log",
    }


def _answered(gate: Gate) -> int:
    log = (gate.folder / "logs" / "access.log").read_text()
    return log.count('"POST /score HTTP/1.1" status=200 ')


def test_a_request_in_flight_has_the_shutdown_timeout_and_no_more(tmp_path: Path) -> None:
    flags = ("--shutdown-timeout", "1")
    with serving_gate(
        tmp_path, 1, *flags, batch_ms=1_000, max_batch_size=1, shutdown_timeout_s=0.2
    ) as gate:
        clients = [Client(gate.url).send(ask(SECOND)) for _ in range(4)]
        wait_until(_is_in(gate, 4))
        gate.process.send_signal(signal.SIGINT)
        outcomes = [_outcome(client) for client in clients]
        assert gate.wait() == 0
    assert outcomes.count(200) in (1, 2)
    wait_until_none_is_left(tmp_path)


def _is_in(gate: Gate, count: int) -> Callable[[], bool]:
    socket = str(next((gate.folder / "run").glob("worker-0.*.sock")))

    def look() -> bool:
        samples = get(f"unix:{socket}", "/metrics").body.decode()
        (line,) = (each for each in samples.splitlines() if each.startswith("audio_score_queue_l"))
        # One of them is on the device.
        return float(line.split()[-1]) == count - 1

    return look


def _outcome(client: Client) -> Any:
    try:
        return client.answer().status
    except (OSError, ValueError):
        return None
    finally:
        client.leave()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with serving_gate(tmp_path, 1, batch_ms=5_000) as gate, Client(gate.url) as client:
        client.send(ask(SECOND))
        wait_until(_is_in(gate, 1))
        gate.process.send_signal(signal.SIGTERM)
        gate.wait_for_line(lambda line: "Stopping;" in line)
        gate.process.send_signal(signal.SIGTERM)
        assert gate.wait() == 1
    wait_until_none_is_left(tmp_path)
    assert list((tmp_path / "run").iterdir()) == []
