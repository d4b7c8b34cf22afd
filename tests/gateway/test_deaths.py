"""Processes die and freeze under load; clients do not notice."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.gateway.gate import (
    SECOND,
    Gate,
    Load,
    needs_nginx,
    serving_gate,
    wait_until_none_is_left,
)
from tests.process.clients import Client, Numbers, ask

pytestmark = [pytest.mark.process, needs_nginx]
_HEALTH_TIMEOUT_S = 4.0


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    with serving_gate(folder, 3, "--health-timeout", str(_HEALTH_TIMEOUT_S)) as gate:
        yield gate
        assert gate.stop() == 0


def _kill(gate: Gate, *names: str) -> None:
    old = {each["name"]: each["pid"] for each in gate.status["processes"]}
    for name in names:
        os.kill(old[name], signal.SIGKILL)
    gate.wait_for(lambda: all(each["pid"] != old[each["name"]] for each in _of(gate, names)))


def _of(gate: Gate, names: tuple[str, ...]) -> list[dict[str, object]]:
    return [each for each in gate.status["processes"] if each["name"] in names]


@pytest.mark.timeout(180)
def test_workers_that_are_killed_are_not_missed(gate: Gate) -> None:
    with Load(gate.url) as load:
        for index in range(3):
            _kill(gate, f"worker-{index}")
            load.wait_for_more()
            gate.wait_for(gate.is_serving)
        # The second while the first is not there; not at once, as a request that meets two deaths
        # is taken for the cause of them.
        _kill(gate, "worker-0")
        load.wait_for_more()
        _kill(gate, "worker-2")
        load.wait_for_more()
        gate.wait_for(gate.is_serving)
        load.wait_for_more()
    assert list(load.counts) == ["200"]
    numbers = Numbers(gate.url)
    assert numbers.of("audio_score_gateway_process_restarts_total") >= 5
    assert {worker["last_error"] for worker in gate.workers()} == {"was killed by signal 9"}


def test_a_frozen_worker_is_replaced(gate: Gate) -> None:
    gate.wait_for(gate.is_serving)
    frozen = gate.workers()[1]["pid"]
    with Load(gate.url) as load:
        os.kill(frozen, signal.SIGSTOP)
        gate.wait_for(lambda: gate.workers()[1]["pid"] not in (frozen, None))
        load.wait_for_more()
        gate.wait_for(gate.is_serving)
    assert list(load.counts) == ["200"]
    # The timeout, of which a part had passed, and the time of a score.
    assert _HEALTH_TIMEOUT_S / 2 < load.slowest_s < _HEALTH_TIMEOUT_S + 5
    assert gate.workers()[1]["last_error"] == "did not answer for 4 s"
    assert not psutil.pid_exists(frozen)


def test_nginx_that_is_killed_is_replaced_on_the_same_port(gate: Gate) -> None:
    gate.wait_for(gate.is_serving)
    master = psutil.Process(gate.nginx()["pid"])
    orphans = master.children()
    with Load(gate.url) as load:
        _kill(gate, "nginx")
        gate.wait_for(gate.is_serving)
        load.wait_for_more()
    assert list(load.counts) == ["200"]
    psutil.wait_procs(orphans, 10)
    assert not any(orphan.is_running() for orphan in orphans)


def test_nginx_that_is_frozen_is_replaced(gate: Gate) -> None:
    gate.wait_for(gate.is_serving)
    master = psutil.Process(gate.nginx()["pid"])
    for process in (master, *master.children()):
        process.suspend()
    gate.wait_for(lambda: gate.nginx()["pid"] not in (master.pid, None))
    gate.wait_for(gate.is_serving)
    with Load(gate.url, 2) as load:
        load.wait_for_more(10)
    assert list(load.counts) == ["200"]


def test_a_supervisor_that_stood_still_blames_nobody(gate: Gate) -> None:
    gate.wait_for(gate.is_serving)
    before = [each["pid"] for each in gate.status["processes"]]
    supervisor = psutil.Process(gate.process.pid)
    supervisor.suspend()
    with Load(gate.url, 2) as load:
        while load.slowest_s < 0.1 and len(load.outcomes) < 60:
            load.wait_for_more(10)
    psutil.Process().cpu_percent(interval=2 * _HEALTH_TIMEOUT_S)
    supervisor.resume()
    psutil.Process().cpu_percent(interval=1.0)
    assert list(load.counts) == ["200"]
    assert [each["pid"] for each in gate.status["processes"]] == before


def test_a_full_disk_keeps_it_neither_from_serving_nor_from_stopping(tmp_path: Path) -> None:
    with serving_gate(tmp_path, 1) as gate:
        _, most = resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (0, most))
        psutil.Process(gate.workers()[0]["pid"]).kill()
        gate.wait_for(lambda: gate.log.count("worker-0 is ready.") == 2)
        assert _score(gate.url) == 200
        assert gate.workers()[0]["last_error"] == ""
        gate.process.send_signal(signal.SIGHUP)
        gate.wait_for(lambda: "Everything stays as it was, nothing can be written:" in gate.log)
        assert gate.log.count("cannot be updated") == 1
        assert "Serving goes on" in gate.log
        resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (most, most))
        gate.wait_for(lambda: gate.workers()[0]["last_error"] == "was killed by signal 9")
        resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (0, most))
        assert gate.stop() == 0
    assert "Traceback" not in gate.log
    assert list((tmp_path / "run").iterdir()) == []


def _score(url: str) -> int:
    with Client(url) as client:
        return client.send(ask(SECOND)).answer().status


def test_nothing_outlives_a_killed_supervisor_and_the_next_one_starts(tmp_path: Path) -> None:
    with serving_gate(tmp_path, 2) as gate, Load(gate.url, 8) as load:
        gate.process.kill()
        wait_until_none_is_left(tmp_path)
    assert "200" in load.counts
    assert (tmp_path / "run" / "gateway.lock").exists()
    with serving_gate(tmp_path, 1) as gate:
        assert gate.stop() == 0
    assert list((tmp_path / "run").iterdir()) == []
