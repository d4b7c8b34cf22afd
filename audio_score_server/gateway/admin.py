"""What the supervisor itself answers behind Nginx: health and metrics of the whole gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audio_score_server.gateway.metrics import (
    CONTENT_TYPE,
    exposition,
    merge_metrics,
    process_metrics,
)
from audio_score_server.gateway.probe import get
from audio_score_server.gateway.process_state import State
from audio_score_server.gateway.processes import GatewayProcesses
from audio_score_server.serving.listener import Listener

_WORKER_TIMEOUT_S: Final = 3.0
_RETRY_AFTER_S: Final = 2
_KEEP_ALIVE_S: Final = 75

Authorize = Callable[[str | None], bool]
"""Whether a request with this ``Authorization`` header may read the metrics."""


class AdminServer:
    """A small HTTP server on a Unix socket, inside the supervisor."""

    def __init__(self, socket: Path, processes: GatewayProcesses, authorize: Authorize) -> None:
        """Listen; nothing is answered before ``serve``."""
        self._processes, self._authorize = processes, authorize
        self._listener = Listener.on_path(socket)
        routes = [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
        ]
        self._server = _SignallessServer(
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
        """Answer until ``stop`` is called."""
        with self._listener:
            await self._server.serve(sockets=[self._listener.socket])

    def stop(self) -> None:
        """Have ``serve`` return."""
        self._server.should_exit = True

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _ready(self, _: Request) -> Response:
        return JSONResponse({"status": "ready"}) if self._is_ready() else _not_ready()

    def _is_ready(self) -> bool:
        return any(worker.state == State.READY for worker in self._processes.pool.workers)

    async def _health(self, _: Request) -> Response:
        """A worker's health, and the state of every process."""
        answers = await self._get_each("/health", self._processes.serving_sockets(), {})
        if not answers or not self._is_ready():
            return _not_ready()
        health: dict[str, Any] = json.loads(next(iter(answers.values())))
        states = {each.name: each.state for each in self._processes.status().processes}
        return JSONResponse({**health, "status": "ready", "processes": states})

    async def _metrics(self, request: Request) -> Response:
        authorization = request.headers.get("authorization")
        if not self._authorize(authorization):
            return JSONResponse(
                {"detail": "An API key is needed. Send it as 'Authorization: Bearer KEY'."},
                401,
                {"WWW-Authenticate": "Bearer"},
            )
        headers = {} if authorization is None else {"Authorization": authorization}
        answers = await self._get_each("/metrics", self._processes.running_sockets(), headers)
        merged = merge_metrics({index: answer.decode() for index, answer in answers.items()})
        own = process_metrics(self._processes.status().processes)
        return Response(exposition([*merged, *own]), media_type=CONTENT_TYPE)

    async def _get_each(
        self, path: str, sockets: Mapping[int, Path], headers: Mapping[str, str]
    ) -> dict[int, bytes]:
        """What workers answer, of those that do, by their numbers."""
        answers = await asyncio.gather(
            *(get(socket, path, _WORKER_TIMEOUT_S, headers) for socket in sockets.values())
        )
        return {
            index: answer.content
            for index, answer in zip(sockets, answers, strict=True)
            if answer is not None and answer.status == 200
        }


def _not_ready() -> Response:
    detail = "No worker is ready."
    return JSONResponse({"detail": detail}, 503, {"Retry-After": str(_RETRY_AFTER_S)})


class _SignallessServer(uvicorn.Server):
    """Leaves signals to the supervisor."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
