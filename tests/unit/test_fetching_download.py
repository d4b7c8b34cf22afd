"""What real hosts on this machine send, well and ill."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import os
import socket
import ssl
import subprocess
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from audio_score_server.errors import (
    AudioScoreError,
    DownloadFailed,
    DownloadTimeout,
    TooLargeAudio,
    UrlDisabled,
)
from audio_score_server.fetching import fetch as module
from audio_score_server.fetching.connecting import look_up
from audio_score_server.fetching.fetch import fetch
from audio_score_server.fetching.policy import FetchPolicy
from tests.recording_host import (
    Answer,
    RecordingHost,
    chunked,
    ok,
    recording_host,
    redirect,
    response,
)

_TAKE = bytes(range(256)) * 4
_MOST = 100_000
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


class _Sink(io.BytesIO):
    """Keeps the sizes of what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def write(self, data: Any) -> int:
        self.sizes.append(len(data))
        return super().write(data)


async def _nearby(host: str, port: int) -> Sequence[str]:
    """Every name is one of this machine."""
    return ["127.0.0.1"]


def _policy(port: int, **changes: Any) -> FetchPolicy:
    values = {"max_bytes": _MOST, "timeout_s": 20.0, "allowed_networks": _LOOPBACK, **changes}
    return FetchPolicy((f"*:{port}",), **values)


def _fetched(*answers: Answer, **changes: Any) -> tuple[bytes, RecordingHost]:
    """What is fetched from a host that answers so, and the host."""

    async def run() -> tuple[bytes, RecordingHost]:
        async with recording_host(*answers) as host:
            sink = io.BytesIO()
            policy = _policy(host.port, **changes)
            count = await fetch(f"http://take.example:{host.port}/a?b#c", policy, sink, _nearby)
            assert count == len(sink.getvalue())
            return sink.getvalue(), host

    return asyncio.run(run())


def _fails(error: type[AudioScoreError], why: str, *answers: Answer, **changes: Any) -> bytes:
    """What is kept until a download fails."""

    async def run() -> bytes:
        async with recording_host(*answers) as host:
            sink = io.BytesIO()
            url = f"http://take.example:{host.port}/"
            with pytest.raises(error, match=why) as caught:
                await fetch(url, _policy(host.port, **changes), sink, _nearby)
            assert "127.0.0.1" not in str(caught.value)
            return sink.getvalue()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        ok(_TAKE),
        ok(_TAKE, Content_Encoding="identity"),
        ok(_TAKE, Content_Encoding=""),
        chunked(_TAKE[:1], _TAKE[1:500], _TAKE[500:]),
        response(200, _TAKE, {}),
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(_TAKE),
    ],
)
def test_a_recording_arrives_as_it_is(answer: bytes) -> None:
    assert _fetched(answer)[0] == _TAKE


def test_the_host_is_asked_by_its_name_for_the_recording_as_it_is() -> None:
    _, host = _fetched(ok(_TAKE))
    (request,) = host.requests
    line, *headers = request.strip().split("\r\n")
    assert line == "GET /a?b HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        "Connection: close",
        f"Host: take.example:{host.port}",
        "User-Agent: audio-score-server",
    ]


def test_an_ipv6_address_that_is_allowed_is_reached() -> None:
    async def run() -> None:
        async with recording_host(ok(_TAKE), addresses=("::1",)) as host:
            sink = io.BytesIO()
            url = f"http://[0::1]:{host.port}/"
            assert await fetch(url, _policy(host.port), sink) == len(_TAKE)
            assert f"Host: [::1]:{host.port}\r\n" in host.requests[0]

    asyncio.run(run())


def test_an_address_that_does_not_answer_is_passed_over() -> None:
    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.1"]

    async def run() -> None:
        async with recording_host(ok(_TAKE)) as host:
            url = f"http://take.example:{host.port}/"
            assert await fetch(url, _policy(host.port), io.BytesIO(), two) == len(_TAKE)

    asyncio.run(run())


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a host whose certificate is for ``take.example``, and is trusted."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=x", "-addext"]
    command += ["subjectAltName=DNS:take.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(module, "_tls", lambda: trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_certificate_is_for_the_name_in_the_url(tls: ssl.SSLContext) -> None:
    async def run() -> None:
        async with recording_host(ok(_TAKE), tls=tls) as host:
            sink = io.BytesIO()
            url = f"https://take.example:{host.port}/"
            assert await fetch(url, _policy(host.port), sink, _nearby) == len(_TAKE)
            for other in ("other.example", "127.0.0.1"):
                url = f"https://{other}:{host.port}/"
                with pytest.raises(DownloadFailed, match="no valid certificate"):
                    await fetch(url, _policy(host.port), sink, _nearby)
            assert sink.getvalue() == _TAKE

    asyncio.run(run())


def test_encryption_that_breaks_is_a_failure(tls: ssl.SSLContext) -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(response(200, b"abc", {"Content-Length": "10"}))
        await writer.drain()
        os.write(writer.get_extra_info("socket").fileno(), bytes(100))

    async def run() -> None:
        async with recording_host(broken, tls=tls) as host:
            url = f"https://take.example:{host.port}/"
            with pytest.raises(DownloadFailed, match="cannot be reached"):
                await fetch(url, _policy(host.port), io.BytesIO(), _nearby)

    asyncio.run(run())


def test_encrypted_the_host_is_asked_by_its_name_too() -> None:
    hello: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.append(await reader.read(4_096))
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"https://take.example:{port}/"
            with pytest.raises(DownloadFailed, match="no valid certificate"):
                await fetch(url, _policy(port), io.BytesIO(), _nearby)

    asyncio.run(run())
    assert b"take.example" in hello[0]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert _fetched(ok(_TAKE))[0] == _TAKE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_without_cookies(status: int) -> None:
    away = response(status, b"moved", {"Location": "/there?x#y", "Set-Cookie": "a=b"})
    take, host = _fetched(away, ok(_TAKE))
    assert take == _TAKE
    assert host.requests[1].startswith("GET /there?x HTTP/1.1\r\n")
    assert "cookie" not in host.requests[1].lower()


def test_as_many_redirects_are_followed_as_are_allowed() -> None:
    assert _fetched(*[redirect("/a")] * 2, ok(_TAKE), max_redirects=2)[0] == _TAKE
    _fails(DownloadFailed, "more than 2 times", redirect("/a"), max_redirects=2)
    assert _fetched(ok(_TAKE), max_redirects=0)[0] == _TAKE
    _fails(DownloadFailed, "more than 0 times", redirect("/a"), max_redirects=0)


def test_a_loop_of_redirects_ends() -> None:
    async def run() -> int:
        async with recording_host(redirect("/b"), redirect("/a")) as host:
            url = f"http://take.example:{host.port}/a"
            with pytest.raises(DownloadFailed, match="more than 5 times"):
                await fetch(url, _policy(host.port), io.BytesIO(), _nearby)
            return host.connections

    assert asyncio.run(run()) == 6


@pytest.mark.parametrize("headers", [{}, {"Location": "/a\r\nLocation: /b"}])
def test_a_redirect_says_where_to(headers: dict[str, str]) -> None:
    _fails(DownloadFailed, "without saying where", response(302, b"", headers))


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 305, 401, 403, 404, 429, 500, 503])
def test_every_other_status_is_a_failure(status: int) -> None:
    kept = _fails(DownloadFailed, f"answered HTTP {status}", response(status, b"", {}))
    assert kept == b""


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "deflate", "zstd"])
def test_what_is_compressed_is_refused(encoding: str) -> None:
    answer = ok(gzip.compress(bytes(1_000_000)), Content_Encoding=encoding)
    assert _fails(DownloadFailed, "compresses it", answer) == b""


def test_a_compressed_transfer_is_refused() -> None:
    answer = response(200, b"", {"Transfer-Encoding": "gzip, chunked"})
    assert _fails(DownloadFailed, "does not speak HTTP", answer) == b""


def test_what_says_that_it_is_too_large_is_not_begun() -> None:
    answer = response(200, b"abc", {"Content-Length": str(_MOST + 1)})
    assert _fails(TooLargeAudio, "at most 100,000 bytes", answer) == b""
    assert len(_fetched(ok(bytes(_MOST)))[0]) == _MOST


@pytest.mark.parametrize(
    "answer",
    [chunked(*[bytes(10_000)] * 11), response(200, bytes(_MOST + 1), {})],
    ids=["chunked", "unstated"],
)
def test_what_turns_out_to_be_too_large_is_broken_off(answer: bytes) -> None:
    assert len(_fails(TooLargeAudio, "at most 100,000 bytes", answer)) <= _MOST


def test_an_endless_recording_is_broken_off() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65_536))
            await writer.drain()

    assert len(_fails(TooLargeAudio, "at most", endless)) <= _MOST


def test_a_large_recording_is_never_whole_in_memory() -> None:
    async def run() -> None:
        async with recording_host(ok(bytes(8_000_000))) as host:
            sink = _Sink()
            policy = _policy(host.port, max_bytes=8_000_000)
            url = f"http://take.example:{host.port}/"
            assert await fetch(url, policy, sink, _nearby) == 8_000_000
            assert max(sink.sizes) <= 65_536

    asyncio.run(run())


def test_a_recording_that_breaks_off_is_a_failure() -> None:
    short = response(200, b"abc", {"Content-Length": "10"})
    assert _fails(DownloadFailed, "hung up", short) == b"abc"
    _fails(DownloadFailed, "hung up", chunked(b"abc")[:-5])


def test_what_follows_the_stated_end_is_not_kept() -> None:
    assert _fetched(response(200, _TAKE + b"more", {"Content-Length": str(len(_TAKE))}))[0] == _TAKE


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-secret\r\n",
        b"\x00\x01\x02",
        response(200, b"abc", {"Content-Length": "3\r\nContent-Length: 4"}),
        response(200, b"abc", {"Content-Length": "-3"}),
        response(200, b"abc", {"Content-Length": "9" * 5_000}),
        response(200, b"abc", {"A": "b" * 200_000}),
        response(101, b"", {"Connection": "upgrade", "Upgrade": "websocket"}),
    ],
    ids=["nothing", "ssh", "bytes", "two-lengths", "minus", "digits", "headers", "upgrade"],
)
def test_what_is_not_http_is_a_failure_that_repeats_nothing(answer: bytes) -> None:
    why = r"^The recording cannot be downloaded: the URL's host (?!.*secret)"
    assert _fails(DownloadFailed, why, answer) == b""


@pytest.mark.parametrize(
    "answer",
    [
        chunked(*[b"a"] * 90_000),
        response(200, b"1;" + b"a" * 90_000 + b"\r\na\r\n", {"Transfer-Encoding": "chunked"})
        + (b"1;" + b"a" * 90_000 + b"\r\na\r\n") * 5,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + ok(_TAKE),
    ],
    ids=["pieces", "extensions", "interim"],
)
def test_what_is_hardly_a_recording_is_broken_off(answer: bytes) -> None:
    _fails(DownloadFailed, "too many headers, or too small pieces", answer)


def test_pieces_of_a_usual_size_are_none_too_small() -> None:
    pieces = [bytes(200)] * 30_000
    assert len(_fetched(chunked(*pieces), max_bytes=6_000_000)[0]) == 6_000_000


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: "])
def test_a_host_that_sends_little_by_little_is_given_up(start: bytes) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(b"H" if start else b"")
            await writer.drain()
            await asyncio.sleep(0.01)

    _fails(DownloadTimeout, "within 0.2 s", drip, timeout_s=0.2)


def test_a_host_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_S", 0.1)

    async def silent(writer: asyncio.StreamWriter) -> None:
        writer.write(response(200, b"abc", {"Content-Length": "10"}))
        await asyncio.sleep(5.0)

    assert _fails(DownloadTimeout, "did not answer in time", silent) == b"abc"


def test_a_lookup_that_does_not_end_is_given_up() -> None:
    async def forever(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    policy = FetchPolicy(("*",), 1, 0.05)
    with pytest.raises(DownloadTimeout, match=r"within 0.05 s"):
        asyncio.run(fetch("http://take.example/", policy, io.BytesIO(), forever))


def test_the_time_of_all_redirects_counts() -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(redirect("/a"))

    _fails(DownloadTimeout, "within 0.4 s", late, timeout_s=0.4)


@pytest.mark.parametrize("found", [[], socket.gaierror("unknown")], ids=["none", "unknown"])
def test_a_host_that_is_not_found_is_a_failure(found: Sequence[str] | OSError) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if isinstance(found, OSError):
            raise found
        return found

    with pytest.raises(DownloadFailed, match="host cannot be found"):
        asyncio.run(
            fetch("http://take.example/", FetchPolicy(("*",), 1, 1.0), io.BytesIO(), resolve)
        )


def test_a_host_that_nobody_serves_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(DownloadFailed, match="cannot be reached"):
            asyncio.run(fetch(f"http://take.example:{port}/", _policy(port), io.BytesIO(), _nearby))


def test_the_system_finds_addresses() -> None:
    assert asyncio.run(look_up("127.0.0.1", 80)) == ["127.0.0.1"]


def test_without_allowed_hosts_nothing_is_fetched() -> None:
    with pytest.raises(UrlDisabled, match="AUDIO_SCORE_TRANSCRIBE_URL_HOSTS"):
        asyncio.run(fetch("http://127.0.0.1/", FetchPolicy((), 1, 1.0), io.BytesIO()))


def test_what_the_sink_raises_is_not_the_hosts_fault() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    async def run() -> None:
        async with recording_host(ok(_TAKE)) as host:
            url = f"http://take.example:{host.port}/"
            with pytest.raises(OSError, match="No space left"):
                await fetch(url, _policy(host.port), Full(), _nearby)

    asyncio.run(run())


def test_who_is_cancelled_leaves_no_connection() -> None:
    async def run() -> None:
        gone = asyncio.Event()

        async def wait(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.drain()
            try:
                while True:
                    writer.write(b"a")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            except ConnectionError:
                gone.set()

        async with recording_host(wait) as host:
            sink = _Sink()
            url = f"http://take.example:{host.port}/"
            task = asyncio.create_task(fetch(url, _policy(host.port), sink, _nearby))
            while not sink.sizes:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(gone.wait(), 5.0)

    asyncio.run(run())


def test_urls_which_may_be_signed_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _fetched(ok(_TAKE))
    assert "/a?b" not in caplog.text
