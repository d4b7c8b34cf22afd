"""Fetch a recording by URL."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import BinaryIO, Final

import httpcore

from audio_score_server.errors import (
    DownloadFailed,
    DownloadTimeout,
    TooLargeAudio,
    UrlDisabled,
    UrlForbidden,
)
from audio_score_server.fetching.connecting import CheckedBackend, FramingMeter, Resolver, look_up
from audio_score_server.fetching.policy import FetchPolicy
from audio_score_server.fetching.urls import RecordingUrl, read_url

_CONNECT_S: Final = 5.0
"""For each address: far hosts take a second."""
_IDLE_S: Final = 10.0
"""Longest that a host may send nothing: hosts that compute what they send take seconds."""
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_HEADERS: Final = (
    ("Accept", "*/*"),
    # What is compressed may grow a thousandfold; recordings hardly shrink.
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
    ("User-Agent", "audio-score-server"),
)


async def fetch(url: str, policy: FetchPolicy, sink: BinaryIO, resolve: Resolver = look_up) -> int:
    """Write the recording at a URL into a file.

    Neither proxies nor cookies are used, whatever the environment names.

    Args:
        url: http or https.
        policy: from where, how much and how long.
        sink: that takes the recording; after an error it may hold a part.
        resolve: finds the addresses of hosts.

    Returns:
        Bytes of the recording.

    Raises:
        UrlDisabled: no hosts are allowed.
        UrlForbidden: the URL, or one that it redirects to, may not be fetched.
        DownloadFailed: no recording could be had from there.
        DownloadTimeout: not in time.
        TooLargeAudio: it has more bytes than are allowed.
    """
    if not policy.allowed_hosts:
        raise UrlDisabled(
            "Recordings by URL are switched off. Upload the recording itself; operators name the "
            "hosts to take recordings from in AUDIO_SCORE_TRANSCRIBE_URL_HOSTS."
        )
    try:
        async with asyncio.timeout(policy.timeout_s):
            return await _Download(policy, sink, resolve).run(url)
    except TimeoutError as error:
        raise DownloadTimeout(
            f"The recording was not downloaded within {policy.timeout_s:g} s. Try again later, or "
            "upload the recording itself."
        ) from error
    except httpcore.TimeoutException as error:
        raise DownloadTimeout(
            "The URL's host did not answer in time. Try again later, or upload the recording "
            "itself."
        ) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise _failed(
            "the URL's host cannot be reached, has no valid certificate, does not speak HTTP or "
            "hung up. Try again later, or upload the recording itself."
        ) from error


class _Download:
    """One recording on its way."""

    def __init__(self, policy: FetchPolicy, sink: BinaryIO, resolve: Resolver) -> None:
        self._policy = policy
        self._sink = sink
        self._meter = FramingMeter()
        self._backend = CheckedBackend(policy.allowed_networks, resolve, self._meter)

    async def run(self, text: str) -> int:
        """Follow redirects to the recording, and keep that; returns its bytes."""
        url = self._admitted(read_url(text))
        outcome = await self._ask(url)
        for _ in range(self._policy.max_redirects):
            if isinstance(outcome, int):
                return outcome
            try:
                url = self._admitted(url.redirected(outcome))
                outcome = await self._ask(url)
            except UrlForbidden as error:
                raise UrlForbidden(f"The URL redirects to one that is refused. {error}") from error
        if isinstance(outcome, int):
            return outcome
        raise _failed(
            f"the URL redirects more than {self._policy.max_redirects} times. Give the final one."
        )

    def _admitted(self, url: RecordingUrl) -> RecordingUrl:
        if not self._policy.admits(url.host, url.port):
            raise UrlForbidden(
                "The URL's host and port are not among those that recordings are taken from. "
                "Upload the recording itself; operators name the hosts in "
                "AUDIO_SCORE_TRANSCRIBE_URL_HOSTS."
            )
        return url

    async def _ask(self, url: RecordingUrl) -> int | str:
        """Bytes of the recording that is there; or where else it is."""
        address = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
        limits = {"connect": _CONNECT_S, "read": _IDLE_S, "write": _IDLE_S}
        async with (
            httpcore.AsyncConnectionPool(_tls(), network_backend=self._backend) as pool,
            pool.stream(
                "GET",
                address,
                headers=[("Host", url.authority), *_HEADERS],
                extensions={"timeout": limits},
            ) as response,
        ):
            if response.status in _REDIRECTS:
                return _location(response)
            self._check(response)
            return await self._keep(response)

    def _check(self, response: httpcore.Response) -> None:
        """Raise an error where what comes is not the recording as it is, or too much."""
        if response.status != 200:
            raise _failed(
                f"the URL's host answered HTTP {response.status}. Check that the URL leads to the "
                "recording itself, without signing in."
            )
        encodings = ",".join(_values(response, "content-encoding")).lower().split(",")
        if {encoding.strip() for encoding in encodings} - {"", "identity"}:
            raise _failed("the URL's host compresses it, unasked. Upload the recording itself.")
        # The parser has made sure that it is a number, and there once.
        if int((_values(response, "content-length") or ["0"])[0]) > self._policy.max_bytes:
            raise self._too_large()

    async def _keep(self, response: httpcore.Response) -> int:
        count = 0
        async for piece in response.aiter_stream():
            count += len(piece)
            if count > self._policy.max_bytes:
                raise self._too_large()
            self._meter.keep(len(piece))
            self._sink.write(piece)
        return count

    def _too_large(self) -> TooLargeAudio:
        return TooLargeAudio(
            f"The recording at the URL is too large: at most {self._policy.max_bytes:,} bytes are "
            "taken. Give one in a compressed format such as MP3 or WebM."
        )


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than an answer should wait for."""
    return httpcore.default_ssl_context()


def _location(response: httpcore.Response) -> str:
    values = _values(response, "location")
    if len(values) != 1:
        raise _failed("the URL's host redirects without saying where to. Give the final URL.")
    return values[0]


def _values(response: httpcore.Response, name: str) -> list[str]:
    """Every value of a header; its name is in lower case."""
    return [
        value.decode("latin-1")
        for key, value in response.headers
        if key.decode("latin-1").lower() == name
    ]


def _failed(why: str) -> DownloadFailed:
    return DownloadFailed(f"The recording cannot be downloaded: {why}")
