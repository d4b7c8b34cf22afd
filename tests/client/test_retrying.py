"""What the client does when the server is busy, breaks off, stalls, or says no."""

from __future__ import annotations

import io
import logging
import math
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_client import (
    AnsweredError,
    AudioScoreClient,
    ConnectionLost,
    DeadlineExceeded,
    PreconditionFailed,
    RateLimited,
    ServerFault,
    Unavailable,
    UnexpectedAnswer,
)
from audio_score_client.calls import Call
from audio_score_client.errors import error_class
from audio_score_client.retrying import Policy, backoff_s, retry_after_s
from audio_score_client.steps import Pause
from tests.client.asking import KINDS, Kind, ask
from tests.client.host import BROKEN, SCORE, Answering, Host, Reply, Request

AUDIO = bytes(range(256)) * 1000
BUSY = Reply({"code": "overloaded", "detail": "Busy."}, 503, {"Retry-After": "0"})
LIMITED = Reply({"code": "rate_limited", "detail": "Slowly."}, 429, {"Retry-After": "0"})
HALF = Reply(SCORE, sent=20)
BOTH = pytest.mark.parametrize("kind", KINDS)


def _content(request: Request) -> bytes:
    (content,) = (content for name, _, content in request.parts() if name == "audio")
    return content


@BOTH
@pytest.mark.parametrize("trouble", [BUSY, LIMITED, BROKEN, HALF])
def test_what_may_pass_is_tried_again(kind: Kind, trouble: Answering) -> None:
    with Host(trouble, Reply(SCORE)) as host:
        score = ask(kind, host.url, "score", AUDIO, "film", "1")
    assert score.sim_score == 0.5
    assert [_content(request) for request in host.requests] == [AUDIO, AUDIO]


@BOTH
@pytest.mark.parametrize("start", [0, 100])
def test_a_file_is_sent_again_from_where_it_was(kind: Kind, start: int, tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(AUDIO)
    with Host(BUSY, Reply(SCORE)) as host, path.open("rb") as file:
        file.seek(start)
        ask(kind, host.url, "score", file, "film", "1")
        assert not file.closed
    assert [_content(request) for request in host.requests] == [AUDIO[start:]] * 2
    assert host.requests[0].parts()[-1][1] == "take.wav"


@BOTH
def test_progress_begins_anew_with_every_try(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(AUDIO)
    told: list[tuple[int, int]] = []
    with Host(BUSY, Reply(SCORE)) as host:
        ask(kind, host.url, "score", path, "film", "1", on_progress=lambda *each: told.append(each))
    assert {total for _, total in told} == {len(AUDIO)}
    sent = [sent for sent, _ in told]
    assert len(sent) > 4, "more than one chunk"
    assert sent == 2 * sorted(set(sent))
    assert sent[-1] == len(AUDIO)


@BOTH
@pytest.mark.parametrize("status", [400, 404, 500, 502, 504, 507])
def test_what_will_not_pass_is_not_tried_again(kind: Kind, status: int) -> None:
    headers = {"X-Request-Id": "abc", "Retry-After": "7"}
    with Host(Reply({"code": "new", "detail": "No."}, status, headers)) as host:
        with pytest.raises(AnsweredError) as caught:
            ask(kind, host.url, "score", AUDIO, "film", "1")
        assert len(host.requests) == 1
    error = caught.value
    assert (error.status, error.code, error.detail) == (status, "new", "No.")
    assert (error.request_id, error.retry_after_s) == ("abc", 7.0)
    assert str(error) == f"No. ({status} new, request abc)"
    assert type(error) is error_class(status, "new")


@BOTH
def test_it_gives_up_after_so_many_tries(kind: Kind) -> None:
    with Host(*[BUSY] * 9) as host:
        with pytest.raises(Unavailable):
            ask(kind, host.url, "score", AUDIO, "film", "1", client={"retries": 2})
        assert len(host.requests) == 3


@BOTH
def test_it_does_not_wait_for_what_comes_after_the_deadline(kind: Kind) -> None:
    late = Reply({"code": "overloaded", "detail": "Busy."}, 503, {"Retry-After": "3600"})
    with Host(late) as host:
        with pytest.raises(Unavailable) as caught:
            ask(kind, host.url, "score", AUDIO, "film", "1", client={"timeout_s": 60})
        assert len(host.requests) == 1
    assert caught.value.retry_after_s == 3600


@BOTH
@pytest.mark.parametrize("sent", [0, 20])
def test_a_stalled_answer_ends_at_the_deadline(kind: Kind, sent: int) -> None:
    with Host(Reply(SCORE, sent=sent, stalls=True)) as host:
        with pytest.raises(DeadlineExceeded, match=r"POST /score was not done within 0\.5 s"):
            ask(kind, host.url, "score", AUDIO, "film", "1", timeout_s=0.5)
        assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("kind", "drips"), [("blocking", "body"), ("awaiting", "body"), ("awaiting", "all")]
)
def test_an_answer_that_drips_ends_at_the_deadline(
    kind: Kind, drips: Literal["body", "all"]
) -> None:
    with Host(Reply(SCORE, drips=drips)) as host, pytest.raises(DeadlineExceeded):
        ask(kind, host.url, "score", AUDIO, "film", "1", timeout_s=0.5)
    assert host.dripped < 30, "not waited for"


class _Watched(io.BytesIO):
    """A file that knows on which threads it is read."""

    def __init__(self) -> None:
        super().__init__(AUDIO)
        self.threads: set[int] = set()

    def read(self, count: int | None = -1) -> bytes:
        self.threads.add(threading.get_ident())
        return super().read(count)


def test_a_file_is_not_read_where_others_await() -> None:
    file = _Watched()
    with Host(Reply(SCORE)) as host:
        ask("awaiting", host.url, "score", file, "film", "1")
    assert file.threads
    assert threading.get_ident() not in file.threads


@BOTH
def test_the_server_is_told_what_is_left(kind: Kind) -> None:
    with Host(BUSY, Reply(SCORE)) as host:
        ask(kind, host.url, "score", AUDIO, "film", "1", timeout_s=50)
    first, second = (int(each.headers["x-request-timeout-ms"]) for each in host.requests)
    assert 40_000 < second <= first <= 50_000


@BOTH
def test_without_a_limit_the_server_is_told_none(kind: Kind) -> None:
    with Host(Reply(SCORE)) as host:
        ask(kind, host.url, "score", AUDIO, "film", "1", client={"timeout_s": math.inf})
    assert "x-request-timeout-ms" not in host.requests[0].headers


@BOTH
@pytest.mark.parametrize(
    ("method", "arguments", "named"),
    [
        ("start_transcription", (AUDIO,), {}),
        ("set_clip_text", ("film", "1", "Hello"), {"if_match": '"1"'}),
        ("delete_clip", ("film", "1"), {"if_match": '"1"'}),
    ],
)
def test_what_may_have_been_done_is_not_done_twice(
    kind: Kind, method: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with Host(BROKEN) as host:
        with pytest.raises(ConnectionLost):
            ask(kind, host.url, method, *arguments, **named)
        assert len(host.requests) == 1
    with Host(BUSY, Reply({"code": "precondition_failed", "detail": "No."}, 412)) as host:
        with pytest.raises(PreconditionFailed):
            ask(kind, host.url, method, *arguments, **named)
        assert len(host.requests) == 2, "a busy server has certainly not done it"


@BOTH
def test_a_deletion_whose_answer_was_lost_is_done(kind: Kind) -> None:
    gone = Reply({"code": "unknown_clip", "detail": "No such clip."}, 404)
    with Host(BROKEN, gone) as host:
        assert ask(kind, host.url, "delete_clip", "film", "1") is None
    with Host(gone) as host, pytest.raises(AnsweredError, match="No such clip"):
        ask(kind, host.url, "delete_clip", "film", "1")


@BOTH
def test_nobody_at_the_address_is_a_lost_connection(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionLost, match="GET /models"):
        ask(kind, f"http://127.0.0.1:{port}", "models", client={"retries": 1})


@BOTH
@pytest.mark.parametrize("page", [b"x" * 2**21, b"[1]", b'{"code": 5, "detail": null}', b"\xff"])
def test_errors_of_any_form_are_errors(kind: Kind, page: bytes) -> None:
    with Host(Reply(page, 500)) as host, pytest.raises(ServerFault) as caught:
        ask(kind, host.url, "clip_media", "film", "1")
    assert caught.value.code == ""
    assert len(str(caught.value)) < 1000


@BOTH
def test_what_is_no_http_is_told(kind: Kind) -> None:
    with Host(Reply(SCORE, headers={"Content-Encoding": "gzip"})) as host:
        with pytest.raises(UnexpectedAnswer):
            ask(kind, host.url, "score", AUDIO, "film", "1")
        assert len(host.requests) == 1


@BOTH
def test_proxies_answer_in_their_own_ways(kind: Kind) -> None:
    page = b"<html><h1>Bad Gateway</h1></html>"
    with Host(Reply(page, 502)) as host, pytest.raises(ServerFault, match="Bad Gateway") as caught:
        ask(kind, host.url, "models")
    assert (caught.value.status, caught.value.code) == (502, "")


@BOTH
@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[1", {"key": "a"}, [{"key": "a"}], [{"key": 1, "device": "", "default": 1}]],
)
def test_an_answer_of_something_else_is_told_as_such(kind: Kind, body: Any) -> None:
    with Host(Reply(body)) as host, pytest.raises(UnexpectedAnswer):
        ask(kind, host.url, "models")


@BOTH
def test_the_key_goes_nowhere_else(kind: Kind) -> None:
    with Host() as other:
        away = Reply(status=302, headers={"Location": f"{other.url}/models"})
        with Host(away) as host, pytest.raises(UnexpectedAnswer, match="address of the server"):
            ask(kind, host.url, "models", client={"api_key": "secret"})
        assert host.requests[0].headers["authorization"] == "Bearer secret"
        assert other.requests == []


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_SCORE_API_KEY", " from-there\n")
    with Host(Reply([]), Reply([]), Reply([])) as host:
        for key in (None, "given", ""):
            with AudioScoreClient(host.url, key) as client:
                client.models()
    told = [request.headers.get("authorization") for request in host.requests]
    assert told == ["Bearer from-there", "Bearer given", None]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_is_none_is_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        AudioScoreClient("http://localhost", key)
    assert key not in str(caught.value)


@BOTH
def test_the_key_is_in_no_log(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Host(BUSY, BROKEN, Reply({"detail": "x", "code": "y"}, 400)) as host:
        client = AudioScoreClient(host.url, "secret-key")
        with client, pytest.raises(AnsweredError) as caught:
            client.score(AUDIO, "film", "1")
        with pytest.raises(AnsweredError):
            ask(kind, host.url, "models", client={"api_key": "secret-key"})
    assert "Try 2 follows" in caplog.text
    for text in (caplog.text, repr(client), repr(client._server), str(caught.value)):
        assert "secret-key" not in text


@pytest.mark.parametrize(
    "url", ["localhost:9000", "ftp://localhost", "http://", "http://h/?a=b", "", "http://h:x"]
)
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        AudioScoreClient(url)


@pytest.mark.parametrize("options", [{"timeout_s": 0}, {"timeout_s": math.nan}, {"retries": -1}])
def test_limits_that_are_none_are_told_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        AudioScoreClient("http://localhost", **options)


class _Pipe(io.RawIOBase):
    def readable(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("audio", "error"),
    [(io.StringIO("text"), TypeError), (3, TypeError), (_Pipe(), ValueError)],
)
def test_a_recording_that_is_none_is_told_at_once(audio: BinaryIO, error: type[Exception]) -> None:
    with AudioScoreClient("http://localhost:1") as client, pytest.raises(error, match="give"):
        client.score(audio, "film", "1")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with AudioScoreClient("http://localhost:1") as client, pytest.raises(FileNotFoundError):
        client.score(tmp_path / "none.wav", "film", "1")


def test_an_error_of_the_callers_own_comes_through() -> None:
    def shown(sent: int, total: int) -> None:
        raise KeyError("mine")

    with Host(Reply(SCORE)) as host, pytest.raises(KeyError, match="mine"):
        ask("blocking", host.url, "score", AUDIO, "film", "1", on_progress=shown)


@given(failed=st.integers(0, 60), asked_s=st.none() | st.floats(0, 1e6))
def test_waits_are_bounded_and_at_least_what_is_asked(failed: int, asked_s: float | None) -> None:
    waited = backoff_s(failed, asked_s)
    if asked_s is None:
        assert 0 < waited <= 10
    else:
        assert asked_s <= waited <= 1.25 * asked_s + 0.1


def test_clients_do_not_come_back_together() -> None:
    assert len({backoff_s(0, 2.0) for _ in range(20)}) > 1
    assert len({backoff_s(3, None) for _ in range(20)}) > 1


def test_what_the_server_asks_for_is_what_is_waited() -> None:
    error = RateLimited(429, "rate_limited", "Slowly.", None, 5.0)
    (pause,) = Policy(60, 1).attempts().refused(Call("GET", "/"), error)
    assert isinstance(pause, Pause)
    assert 5 <= pause.seconds <= 6.5


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("12", 12.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1e999", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_read_by_the_servers_clock(told: str, expected: float | None) -> None:
    headers = httpx.Headers({"Retry-After": told, "Date": format_datetime(NOW, usegmt=True)})
    assert retry_after_s(headers) == expected


def test_without_the_servers_clock_it_is_read_by_ones_own() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    waited = retry_after_s(httpx.Headers({"Retry-After": format_datetime(moment, usegmt=True)}))
    assert waited is not None
    assert 3500 < waited <= 3600
