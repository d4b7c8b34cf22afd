"""What every request leaves behind: its id, its timing, a line in the log, metrics, a trace."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audio_score_server.errors import shortened
from audio_score_server.telemetry.logs import request_id
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from audio_score_server.telemetry.tracing import Tracing
from audio_score_server.web.families import TRANSCRIPTION, RouteFamilies

_LOG = logging.getLogger("audio_score_server.access")
_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_CLIENT_CLOSED: Final = 499
"""What Nginx, too, logs for clients that left before the answer."""
_PROBES: Final = ("/health", "/health/live", "/health/ready", "/metrics")
"""Asked all the time; their lines are for those who look for them."""
_OUTCOMES: Final = {
    200: "ok",
    499: "client_disconnected",
    502: "failed",
    503: "overloaded",
    504: "timeout",
}


class AccessLogMiddleware:
    """ASGI middleware around all others.

    Puts ``stages`` into the request's state, for whoever passes it on; answers carry
    ``X-Request-Id`` (the client's own, or a new one) and ``Server-Timing``.
    """

    def __init__(
        self, app: ASGIApp, families: RouteFamilies, metrics: Metrics, tracing: Tracing | None
    ) -> None:
        self._app = app
        self._families = families
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stages = scope.setdefault("state", {})["stages"] = Stages()
        identity = _identity(Headers(scope=scope))
        request_id.set(identity)
        status = _CLIENT_CLOSED

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = identity
                if stages.spans:
                    headers["Server-Timing"] = _server_timing(stages)
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:
            status = 500
            raise
        finally:
            self._report(scope, stages, status, identity)

    def _report(self, scope: Scope, stages: Stages, status: int, identity: str) -> None:
        seconds = time.monotonic() - stages.arrived
        method, path = scope["method"], scope["path"]
        quiet = path in _PROBES
        fields = {
            "method": method,
            # Quoted again: a line break in it would begin a line that looks like another.
            "path": shortened(quote(path)),
            "status": status,
            "ms": round(1000 * seconds, 1),
            "model": stages.model,
            "audio_s": round(stages.audio_s, 2) if stages.audio_s is not None else None,
            **{f"{span.stage}_ms": round(1000 * span.seconds, 1) for span in stages.spans},
        }
        logged = {name: value for name, value in fields.items() if value not in ("", None)}
        _LOG.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s",
            " ".join(f"{name}={value}" for name, value in logged.items()),
            extra={"fields": logged},
        )
        family = self._families.of(path)
        if not family.observed:
            return
        if family.name == TRANSCRIPTION:
            self._metrics.observe_transcription(_outcome(status), stages.model)
        else:
            self._metrics.observe_request(_outcome(status), stages, seconds)
        if self._tracing is not None:
            attributes = {"http.request.method": method, "http.response.status_code": status}
            headers = dict(Headers(scope=scope))
            marks = {**attributes, "audio_score.model": stages.model, "request.id": identity}
            self._tracing.record(f"{method} /{family.name}", stages, headers, marks, status >= 500)


def _identity(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _server_timing(stages: Stages) -> str:
    return ", ".join(f"{span.stage};dur={1000 * span.seconds:.1f}" for span in stages.spans)


def _outcome(status: int) -> str:
    return _OUTCOMES.get(status, "rejected" if 400 <= status < 500 else "failed")
