"""What the launcher itself answers behind Nginx: health and metrics of the whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audio_score_server.gateway.metrics import (
    CONTENT_TYPE,
    ProcessState,
    exposition,
    merged,
    supervision,
)
from audio_score_server.gateway.probe import ask
from audio_score_server.listener import Listener

_ANSWER_S: Final = 3.0
_RETRY_AFTER_S: Final = 2
_KEEP_ALIVE_S: Final = 75


class View(Protocol):
    """What the front has to know of the gateway."""

    def serving(self) -> Mapping[int, Path]:
        """Numbers and sockets of the workers that get requests."""

    def running(self) -> Mapping[int, Path]:
        """Those of all that answer."""

    def states(self) -> list[ProcessState]:
        """Of all processes."""


Admits = Callable[[str | None], bool]
"""Whether a request with this ``Authorization`` may see what is not for everyone."""


class Front:
    """A small server on a Unix socket, inside the launcher."""

    def __init__(self, socket: Path, view: View, admits: Admits) -> None:
        """Listen; nothing is answered before ``serve``."""
        self._view, self._admits = view, admits
        self._listener = Listener.on_path(socket)
        routes = [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
        ]
        self._server = _Quiet(
            uvicorn.Config(
                Starlette(routes=routes),
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=1,
            )
        )

    async def serve(self) -> None:
        """Answer until told to stop."""
        with self._listener:
            await self._server.serve(sockets=[self._listener.socket])

    def stop(self) -> None:
        """Have ``serve`` end."""
        self._server.should_exit = True

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _ready(self, _: Request) -> Response:
        return JSONResponse({"status": "ready"}) if self._is_ready() else _not_ready()

    def _is_ready(self) -> bool:
        return any(
            each.state == "ready" and each.name.startswith("worker") for each in self._view.states()
        )

    async def _health(self, _: Request) -> Response:
        """What a worker says of itself, and how all of them are."""
        told = await self._asked("/health", self._view.serving(), {})
        if not told or not self._is_ready():
            return _not_ready()
        states = {each.name: each.state for each in self._view.states()}
        health: dict[str, Any] = json.loads(next(iter(told.values())))
        return JSONResponse({**health, "status": "ready", "processes": states})

    async def _metrics(self, request: Request) -> Response:
        authorization = request.headers.get("authorization")
        if not self._admits(authorization):
            return JSONResponse(
                {"detail": "An API key is needed. Send it as 'Authorization: Bearer KEY'."},
                401,
                {"WWW-Authenticate": "Bearer"},
            )
        headers = {} if authorization is None else {"Authorization": authorization}
        told = await self._asked("/metrics", self._view.running(), headers)
        families = [*merged(told), *supervision(self._view.states())]
        return Response(exposition(families), media_type=CONTENT_TYPE)

    async def _asked(
        self, path: str, sockets: Mapping[int, Path], headers: Mapping[str, str]
    ) -> dict[int, str]:
        """What workers answer, of those that do."""
        answers = await asyncio.gather(
            *(ask(socket, path, _ANSWER_S, headers) for socket in sockets.values())
        )
        return {
            index: answer.body.decode()
            for index, answer in zip(sockets, answers, strict=True)
            if answer is not None and answer.status == 200
        }


def _not_ready() -> Response:
    detail = "No worker is ready."
    return JSONResponse({"detail": detail}, 503, {"Retry-After": str(_RETRY_AFTER_S)})


class _Quiet(uvicorn.Server):
    """Leaves signals to the launcher."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
