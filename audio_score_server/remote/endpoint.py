"""The connection to the endpoint: where to, with which key, and how much it may answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from audio_score_server.errors import ModelLoadError
from audio_score_server.remote.host import Host, quote
from audio_score_server.settings import HiggsRemoteSettings

_LARGEST: Final = 2**20
"""Bytes of an answer; what is asked for takes a thousandth."""
_REPEATING: Final = ("openai", "httpx2", "httpcore2")
"""Their debug lines hold what the endpoint sent, and so the key if it sends that back."""


def host_of(settings: HiggsRemoteSettings, environment: Mapping[str, str]) -> Host:
    """Whom the settings name, with the key from the environment.

    Raises:
        ModelLoadError: the key is missing or none, or ``api_base`` is no address.
    """
    key = _key(environment, settings.api_key_env)
    try:
        address = urlsplit(settings.api_base)
        right = address.scheme in ("http", "https") and address.hostname and address.port != 0
        right = right and not any(sign.isspace() for sign in settings.api_base)
        name = httpx2.URL(settings.api_base).netloc.decode()
    except (ValueError, httpx2.InvalidURL):
        right = False
    if not right:
        raise ModelLoadError(
            f"api_base {quote(settings.api_base, key)!r} is no http or https address; give one "
            "such as https://host/v1"
        )
    if "@" in address.netloc or address.query or address.fragment:
        raise ModelLoadError(
            "api_base must be an address alone, without user, query or fragment; the key belongs "
            f"into the environment variable {settings.api_key_env}"
        )
    return Host(name, key)


def connect(api_base: str, host: Host) -> AsyncOpenAI:
    """A client of the endpoint that tries once, and waits as long as its caller does.

    Raises:
        ModelLoadError: the environment names a proxy or certificates that cannot be used.
    """
    for name in _REPEATING:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        http_client = _http_client(host)
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        raise ModelLoadError(
            "no connection can be made with the proxy or certificates that the environment "
            f"(ALL_PROXY, SSL_CERT_FILE, ...) names: {quote(str(error), host.key)}"
        ) from error
    client = AsyncOpenAI(
        base_url=api_base, api_key=host.key, max_retries=0, timeout=None, http_client=http_client
    )
    # What OPENAI_ variables hold is for that company's host; this one is told none of it.
    client.organization = client.project = None
    client._custom_headers = {}
    return client


def _http_client(host: Host) -> httpx2.AsyncClient:
    async def bound(response: httpx2.Response) -> None:
        response.encoding = "utf-8"  # as JSON is, whatever the header claims
        if response.headers.get("content-encoding", "identity") != "identity":
            raise host.error("compressed its answer, unasked; small answers need none of it")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, host)

    return DefaultAsyncHttpxClient(
        # A redirect would take voices, if not the key, to a host that nobody named.
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [bound]},
    )


def _key(environment: Mapping[str, str], variable: str) -> str:
    key = environment.get(variable, "").strip()
    if not key:
        raise ModelLoadError(f"the environment variable {variable} is not set; put the key there")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ModelLoadError(
            f"the environment variable {variable} holds no key: keys are printable ASCII "
            "characters without spaces"
        )
    return key


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it goes on for too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, host: Host) -> None:
        self._stream = stream
        self._host = host

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > _LARGEST:
                raise self._host.error(f"answered with more than {_LARGEST} bytes (check api_base)")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
