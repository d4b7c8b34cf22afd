"""Families of routes: each has limits of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from audio_score_server.errors import QueueFull
from audio_score_server.web.authentication import Authenticator
from audio_score_server.web.bounds import RequestBounds
from audio_score_server.web.families import RouteFamilies, RouteFamily, UploadLimits
from audio_score_server.web.rate_limit import RateLimit

_WIDE = UploadLimits(1_000, 10, 10.0, 10.0)
_NARROW = UploadLimits(10, 1, 10.0, 10.0)
SCORE = RouteFamily("score", ("/score",), _WIDE)
SPEAK = RouteFamily("speak", ("/speak", "/v1/speak"), _NARROW)


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def _app(*families: RouteFamily) -> ASGIApp:
    known = RouteFamilies(families, _WIDE)
    return RequestBounds(_echo, Authenticator(None, known, behind_proxy=False), known)


def _client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


@pytest.mark.parametrize(
    ("path", "status"), [("/score", 200), ("/speak", 413), ("/v1/speak", 413), ("/other", 200)]
)
def test_each_family_takes_bodies_of_its_own_size(path: str, status: int) -> None:
    async def scenario() -> int:
        async with _client(_app(SCORE, SPEAK)) as client:
            return (await client.post(path, content=b"x" * 100)).status_code

    assert asyncio.run(scenario()) == status


def test_each_family_counts_its_own_clients_requests() -> None:
    async def scenario() -> list[int]:
        speak = RouteFamily("speak", ("/speak",), _WIDE, RateLimit(2))
        async with _client(_app(SCORE, speak)) as client:
            return [
                (await client.post(path)).status_code
                for path in ("/speak", "/speak", "/speak", "/score", "/score", "/score")
            ]

    assert asyncio.run(scenario()) == [200, 200, 429, 200, 200, 200]


def test_each_family_receives_so_many_uploads_of_its_own() -> None:
    async def scenario() -> list[int]:
        started, end = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"x"
            started.set()
            await end.wait()

        one = RouteFamily("speak", ("/speak",), UploadLimits(1_000, 1, 10.0, 10.0))
        app = _streaming(_app(SCORE, one), slowly())
        async with _client(app) as client:
            first = asyncio.create_task(client.post("/speak", headers={"x-slow": "1"}))
            await started.wait()
            statuses = [
                (await client.post(path, content=b"x")).status_code for path in ("/speak", "/score")
            ]
            end.set()
            return [*statuses, (await first).status_code]

    assert asyncio.run(scenario()) == [503, 200, 200]


def _streaming(app: ASGIApp, body: AsyncIterator[bytes]) -> ASGIApp:
    """The client of the test sends whole bodies: the slow one is fed in here."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if b"x-slow" not in headers:
            await app(scope, receive, send)
            return
        finished = False

        async def receive_slowly() -> dict[str, object]:
            nonlocal finished
            if finished:
                await asyncio.Event().wait()
            try:
                part = await anext(body)
            except StopAsyncIteration:
                finished = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.request", "body": part, "more_body": True}

        scope = {**scope, "headers": [*scope["headers"], (b"transfer-encoding", b"chunked")]}
        await app(scope, receive_slowly, send)

    return wrapped


def test_an_overloaded_family_rejects_before_it_reads() -> None:
    async def scenario() -> list[int]:
        full = RouteFamily("score", ("/score",), _WIDE, None, lambda: QueueFull(3, 1.0))
        async with _client(_app(full, SPEAK)) as client:
            return [
                (await client.post(path, content=b"x")).status_code for path in ("/score", "/speak")
            ]

    assert asyncio.run(scenario()) == [503, 200]
