"""More clients than the device can serve, and clients that do not stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.process.clients import (
    Answer,
    Client,
    Numbers,
    ask,
    form,
    get,
    head,
    queued,
    requests,
    wait_until,
)
from tests.process.gated import GatedServer, gated
from tests.process.server import running, write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
SECOND: Final = encoded(chirp(1.0))
TWO_SECONDS: Final = encoded(chirp(2.0))
THREE_SECONDS: Final = encoded(chirp(3.0))
_QUEUE: Final = 4
_UPLOADS: Final = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatedServer]:
    """Takes four requests and three uploads at a time, and two recordings in a batch."""
    config = write_config(
        tmp_path_factory.mktemp("load"),
        max_batch_size=2,
        max_batch_wait_ms=0,
        max_inflight=_QUEUE,
        max_uploads=_UPLOADS,
        request_timeout_s=15,
    )
    with gated(config) as server:
        yield server


@pytest.fixture
def under_way(server: GatedServer) -> Iterator[Client]:
    """A client whose recording of a second the device holds until it is told to go on."""
    with Client(server.url) as client:
        client.send(ask(SECOND))
        assert server.given() == [1.0]
        yield client


def _told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.detail


def test_who_leaves_the_queue_costs_no_device_time(server: GatedServer, under_way: Client) -> None:
    url = server.url
    before, departed = Numbers(url), requests(url, "client_disconnected")
    with Client(url) as leaving, Client(url) as staying:
        leaving.send(ask(THREE_SECONDS))
        wait_until(lambda: queued(url) == 1)
        staying.send(ask(TWO_SECONDS))
        wait_until(lambda: queued(url) == 2)
        leaving.leave()
        wait_until(lambda: requests(url, "client_disconnected") == departed + 1)
        server.order()
        assert server.run() == [2.0]
        assert under_way.answer().status == staying.answer().status == 200
    after = Numbers(url)
    batches, sound = "audio_score_batch_size_count", "audio_score_audio_seconds_total"
    assert after.of(batches) - before.of(batches) == 2
    assert after.of(sound) - before.of(sound) == pytest.approx(3.0)


def test_who_leaves_during_the_upload_is_only_counted(server: GatedServer) -> None:
    before = requests(server.url, "client_disconnected")
    with Client(server.url) as client:
        body = form(SECOND)
        client.send(head(len(body)) + body[:-100])
    wait_until(lambda: requests(server.url, "client_disconnected") == before + 1)
    with Client(server.url) as client:
        client.send(ask(SECOND))
        assert server.run() == [1.0]
        assert client.answer().status == 200


def test_who_leaves_a_running_batch_does_not_disturb_the_others(
    server: GatedServer, under_way: Client
) -> None:
    url = server.url
    departed = requests(url, "client_disconnected")
    with Client(url) as leaving, Client(url) as staying:
        leaving.send(ask(THREE_SECONDS))
        wait_until(lambda: queued(url) == 1)
        staying.send(ask(TWO_SECONDS))
        wait_until(lambda: queued(url) == 2)
        server.order()
        assert server.given() == [3.0, 2.0]
        leaving.leave()
        wait_until(lambda: requests(url, "client_disconnected") == departed + 1)
        server.order()
        assert staying.answer().status == 200
        staying.send(ask(SECOND))
        assert server.run() == [1.0]
        assert staying.answer().status == 200


def test_a_poisoned_recording_fails_alone(server: GatedServer, under_way: Client) -> None:
    url = server.url
    with Client(url) as poisoned, Client(url) as sound:
        poisoned.send(ask(THREE_SECONDS))
        wait_until(lambda: queued(url) == 1)
        sound.send(ask(TWO_SECONDS))
        wait_until(lambda: queued(url) == 2)
        server.order()
        assert server.given() == [3.0, 2.0]
        server.order("it is poisoned")
        assert server.given() == [3.0]
        server.order("it is poisoned")
        assert server.run() == [2.0]
        told = "The model failed on this recording; the server's log says more."
        assert _told(poisoned.answer()) == (500, told)
        assert under_way.answer().status == sound.answer().status == 200


def test_a_full_queue_refuses_and_recovers(server: GatedServer, under_way: Client) -> None:
    url = server.url
    busy = requests(url, "overloaded")
    others = [Client(url).send(ask(SECOND)) for _ in range(_QUEUE - 1)]
    wait_until(lambda: queued(url) == _QUEUE - 1)
    with Client(url) as refused:
        answer = refused.send(ask(SECOND)).answer()
        assert answer.status == 503
        assert "busy: 4 requests are under way" in answer.detail
        assert int(answer.headers["Retry-After"]) >= 1
        assert requests(url, "overloaded") == busy + 1
        server.order()
        assert (server.run(), server.run()) == ([1.0, 1.0], [1.0])
        assert [client.answer().status for client in (under_way, *others)] == [200] * _QUEUE
        refused.send(ask(SECOND))
        assert server.run() == [1.0]
        assert refused.answer().status == 200
    for client in others:
        client.leave()


def test_when_to_retry_is_measured(tmp_path: Path) -> None:
    config = write_config(tmp_path, batch_ms=400, max_batch_size=1, max_inflight=4)
    with running("--config", config) as server:
        server.wait_until_ready()
        clients = [Client(server.url).send(ask(SECOND)) for _ in range(4)]
        wait_until(lambda: queued(server.url) == 3)
        with Client(server.url) as refused:
            answer = refused.send(ask(SECOND)).answer()
        assert answer.status == 503
        assert 2 <= int(answer.headers["Retry-After"]) <= 4  # four times 0.4 s
        assert f"Try again in {answer.headers['Retry-After']} s." in answer.detail
        assert [client.answer().status for client in clients] == [200] * 4
        for client in clients:
            client.leave()


@pytest.mark.parametrize("length", [1_000, None], ids=["stated", "chunked"])
def test_stalled_uploads_are_bounded(server: GatedServer, length: int | None) -> None:
    stalled = [Client(server.url).send(head(length)) for _ in range(_UPLOADS - 1)]
    with Client(server.url) as passing:
        passing.send(ask(SECOND))
        assert server.run() == [1.0]
        assert passing.answer().status == 200
        stalled.append(Client(server.url).send(head(length)))
        wait_until(lambda: _full(server))
        body = form(SECOND)
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        whole = head(length and len(body)) + (body if length else chunk)
        answer = passing.send(whole).answer()
        assert answer.status == 503
        assert "busy: 3 requests" in answer.detail
        assert answer.headers["Retry-After"] == "1"
        assert get(server.url, "/health/ready").status == 200
    for client in stalled:
        client.leave()
    wait_until(lambda: not _full(server))
    with Client(server.url) as passing:
        passing.send(ask(SECOND))
        assert server.run() == [1.0]
        assert passing.answer().status == 200


def _full(server: GatedServer) -> bool:
    """Whether one more upload is refused; one that asks first is told at once."""
    with Client(server.url) as client:
        client.send(head(10, Expect="100-continue") + b"0123456789")
        return client.answer().status == 503


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("0", "greater than or equal to 1"),
        ("-5", "greater than or equal to 1"),
        ("soon", "valid integer"),
        ("1.5", "valid integer"),
        ("", "valid integer"),
        ("86400001", "less than or equal to 86400000"),
    ],
)
def test_a_wrong_deadline_is_refused(server: GatedServer, value: str, fault: str) -> None:
    with Client(server.url) as client:
        answer = client.send(ask(SECOND, X_Request_Timeout_Ms=value)).answer()
    assert answer.status == 422
    assert answer.detail.startswith("header 'X-Request-Timeout-Ms': Input should be ")
    assert fault in answer.detail
    assert "multipart" not in answer.detail


def test_what_is_late_in_the_queue_is_never_computed(
    server: GatedServer, under_way: Client
) -> None:
    before = Numbers(server.url)
    with Client(server.url) as hurried:
        answer = hurried.send(ask(THREE_SECONDS, X_Request_Timeout_Ms="100")).answer()
    assert answer.status == 504
    assert "within 0.1 s" in answer.detail
    server.order()
    assert under_way.answer().status == 200
    with Client(server.url) as client:
        client.send(ask(SECOND))
        assert server.run() == [1.0]
        assert client.answer().status == 200
    after = Numbers(server.url)
    assert (
        after.of("audio_score_requests_total", outcome="timeout")
        - before.of("audio_score_requests_total", outcome="timeout")
        == 1
    )
    sound = "audio_score_audio_seconds_total"
    assert after.of(sound) - before.of(sound) == pytest.approx(2.0)


def test_the_servers_own_deadline_holds_for_uploads_and_for_those_who_ask_for_more(
    tmp_path: Path,
) -> None:
    with gated(write_config(tmp_path, max_batch_size=1, request_timeout_s=0.5)) as server:
        url = server.url
        with Client(url) as first, Client(url) as second, Client(url) as slow:
            first.send(ask(SECOND))
            assert server.given() == [1.0]
            second.send(ask(TWO_SECONDS, X_Request_Timeout_Ms="86400000"))
            slow.send(head(1_000) + b"--")
            answers = [client.answer() for client in (first, second, slow)]
        server.order()
        assert [answer.status for answer in answers] == [504, 504, 408]
        assert ["within 0.5 s" in answer.detail for answer in answers] == [True] * 3
        assert answers[2].detail.startswith("The upload was not done within 0.5 s. Send a ")
        server.free()
        with Client(url) as client:
            assert client.send(ask(SECOND)).answer().status == 200
        assert Numbers(url).of("audio_score_audio_seconds_total") == pytest.approx(3.0)


@pytest.mark.parametrize("length", [1_000, None], ids=["stated", "chunked"])
@pytest.mark.parametrize("sent", [b"", b"--"], ids=["at once", "on the way"])
def test_an_upload_that_stalls_is_told_what_happened(
    tmp_path: Path, length: int | None, sent: bytes
) -> None:
    with gated(write_config(tmp_path, upload_idle_timeout_s=0.2)) as server:
        before = requests(server.url, "rejected")
        with Client(server.url) as stalled:
            chunk = sent if length else b"%x\r\n%b\r\n" % (len(sent), sent) if sent else b""
            answer = stalled.send(head(length) + chunk).answer()
            assert stalled.socket.recv(1) == b""
        assert answer.status == 408
        assert answer.detail.startswith("The upload has stalled: nothing came for 0.2 s. Send it ")
        assert "AUDIO_SCORE_UPLOAD_IDLE_TIMEOUT_S" in answer.detail
        assert answer.headers["Connection"] == "close"
        assert requests(server.url, "rejected") == before + 1


def test_an_upload_that_goes_on_is_not_stalled(tmp_path: Path) -> None:
    with gated(write_config(tmp_path, upload_idle_timeout_s=0.5)) as server:
        body = form(SECOND)
        with Client(server.url) as slow:
            slow.send(head(len(body)))
            for start in range(0, len(body), len(body) // 5):
                time.sleep(0.2)
                slow.send(body[start : start + len(body) // 5])
            assert server.run() == [1.0]
            assert slow.answer().status == 200
