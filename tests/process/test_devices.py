"""Devices that fail for good, and devices that compute nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.process.clients import Client, ask, get, queued, wait_until
from tests.process.gated import LIE, RUN, GatedServer, gated, gated_start
from tests.process.server import write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
SECOND: Final = encoded(chirp(1.0))
TWO_SECONDS: Final = encoded(chirp(2.0))
THREE_SECONDS: Final = encoded(chirp(3.0))
FATAL: Final = "CUDA error: device-side assert triggered"


def test_a_device_that_fails_for_good_ends_the_process_and_leaves_nobody_waiting(
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path, max_batch_size=2, max_batch_wait_ms=0)
    # Where CUDA is and is well, it contradicts.
    with gated(config, CUDA_VISIBLE_DEVICES="") as server:
        clients = [Client(server.url).send(ask(SECOND))]
        assert server.given() == [1.0]
        for count, sound in enumerate((TWO_SECONDS, TWO_SECONDS, THREE_SECONDS), start=1):
            clients.append(Client(server.url).send(ask(sound)))
            wait_until(partial(_queue_is, server, count))
        server.order()
        assert server.given() == [2.0, 2.0]
        server.order(FATAL)
        answers = [client.answer() for client in clients]
        assert [answer.status for answer in answers] == [200, 500, 500, 503]
        assert ["log says more" in answer.detail for answer in answers[1:3]] == [True] * 2
        assert "device has failed" in answers[3].detail
        assert _readiness(server) != 200
        assert server.wait() == 1
    told = [line for line in server.lines if "CRITICAL" in line]
    assert len(told) == 1
    assert "The device of model fake has failed: CUDA error" in told[0]
    for client in clients:
        client.leave()


def test_a_device_that_fails_at_the_start_is_no_missing_model(tmp_path: Path) -> None:
    # With a canary, or the server might be ready before it hears of the device.
    config = write_config(tmp_path, canary_interval_s=1)
    with gated_start(config, CUDA_VISIBLE_DEVICES="") as server:
        assert server.given() == [1.0]
        server.order(FATAL)
        assert server.wait() == 1
    assert "The device of model fake has failed" in server.log


def _queue_is(server: GatedServer, count: int) -> bool:
    return queued(server.url) == count


def _readiness(server: GatedServer) -> int:
    """What ``/health/ready`` says; 0 where nobody listens any more."""
    try:
        return get(server.url, "/health/ready").status
    except ConnectionError:
        return 0


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatedServer]:
    """Asks its canary again and again; the device holds each of its batches."""
    config = write_config(tmp_path_factory.mktemp("watched"), canary_interval_s=0.01)
    with gated(config, batches=2) as server:
        yield server


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (LIE, "a known recording scored 1.000 and"),
        ("odd weather", "a known recording can no longer be scored: RuntimeError: odd weather"),
    ],
)
def test_a_model_that_is_not_well_makes_the_server_unready_until_it_is(
    watched: GatedServer, order: str, reason: str
) -> None:
    assert watched.run() == [1.0]
    assert watched.given() == [1.0]
    assert get(watched.url, "/health/ready").status == 200
    watched.order(order)
    wait_until(lambda: get(watched.url, "/health/ready").status == 503)
    assert f"unhealthy: model fake: {reason}" in get(watched.url, "/health/ready").detail
    watched.wait_for_line(lambda line: f"Not ready: model fake: {reason}" in line)
    assert watched.run() == [1.0]
    wait_until(lambda: get(watched.url, "/health/ready").status == 200)
    watched.wait_for_line(lambda line: "Healthy." in line)


def test_a_model_that_does_not_get_well_again_ends_the_process(tmp_path: Path) -> None:
    config = write_config(tmp_path, canary_interval_s=0.01)
    with gated_start(config, module="tests.process.impatient") as server:
        for _ in range(2):
            server.run()
        server.wait_until_ready()
        # Unhealthy twice, and healthy again, which is no reason to end.
        for order in ("odd weather", LIE, RUN):
            assert server.given() == [1.0]
            server.order(order)
        server.wait_for_line(lambda line: "Healthy." in line)
        while server.process.stdout is not None and server.process.stdout.readline():
            with suppress(BrokenPipeError):
                server.order(LIE)
        assert server.wait() == 1
    (told,) = [line for line in server.lines if "CRITICAL" in line]
    assert "Model fake is given up, unhealthy for 0 s and" in told
    assert "times in a row: a known recording scored 1.000 and" in told
    assert "Traceback" not in server.log
