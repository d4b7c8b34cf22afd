"""Uvicorn around the application, and how the process ends."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import threading
from types import FrameType
from typing import Final, NoReturn

import uvicorn

from audio_score_server.assembly import build_service
from audio_score_server.errors import NoModelError, SettingsError
from audio_score_server.service import ScoreService
from audio_score_server.serving.listener import Listener
from audio_score_server.serving.write_coalescing import WriteCoalescingProtocol
from audio_score_server.settings import Settings
from audio_score_server.telemetry.systemd import Condition, Systemd, report
from audio_score_server.web.app import create_app

_LOG = logging.getLogger(__name__)
EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 2
"""What only shows when it is used: the environment that a bucket needs."""
EXIT_NO_MODEL: Final = 3
"""Starting again will not help: no model can be loaded."""
_KEEP_ALIVE_S: Final = 75
_CLOSE_S: Final = 5
"""How long threads may go on after the grace period."""


def serve(settings: Settings) -> int:
    """Serve until a signal says stop.

    Returns:
        The process's exit code.
    """
    host, port, path = settings.server_host, settings.server_port, settings.server_socket
    try:
        listener = Listener.on_path(path) if path else Listener.on_port(host, port)
    except OSError as error:
        address = f"unix:{path}" if path else f"http://{host}:{port}"
        reason = os.strerror(error.errno) if error.errno else error
        _LOG.critical(
            "Cannot listen on %s: %s. Stop what is there, or name another place with --port, "
            "--host or --socket.",
            address,
            reason,
        )
        return EXIT_FAILED
    with listener:
        if settings.studio and path is None:
            _LOG.info("The studio: %s/studio", listener.address)
        _LOG.info("Listening on %s.", listener.address)
        server = _Server(settings, listener)
        # For the moments before and after Uvicorn, which handles them itself while it runs.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.stop)
        server.run(sockets=[listener.socket])
        return server.exit_code


class _Server(uvicorn.Server):
    """Ends within the grace period, whatever its threads are at, and with a code that says why."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        app = create_app(settings, build_service, self._fail)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level=settings.log_level,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout_s),
            access_log=False,
            lifespan="on",
            http=WriteCoalescingProtocol,
            # Anybody may send such headers; web/authentication.py knows when to believe them.
            proxy_headers=False,
        )
        super().__init__(config)
        self._app = app
        self._shutdown_timeout_s = settings.shutdown_timeout_s
        self._request_s = settings.request_timeout_s
        self._systemd = Systemd.found(os.environ, os.getpid())
        self._listener = listener
        self._stopping = False
        self.exit_code = EXIT_OK

    def stop(self, *_: object) -> None:
        """End in order when asked once, at once when asked again."""
        if self._stopping:
            self._leave("Told to stop once more; leaving what is under way.")
        self._stopping = self.should_exit = True
        service = getattr(self._app.state, "service", None)
        if service is not None:
            service.drain()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Signals, once Uvicorn runs; not kept for it, or it would raise them again at its end."""
        self.stop()

    async def main_loop(self) -> None:
        """Uvicorn's own, while systemd is told how the server is."""
        if self._systemd is None:
            await super().main_loop()
            return
        service = self._app.state.service
        telling = asyncio.create_task(
            report(self._systemd, lambda: _condition(service, self._request_s)), name="systemd"
        )
        await super().main_loop()
        telling.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own, with an end.

        A decoder at work or a read from a dead network folder cannot be interrupted, and Python
        waits for such threads for ever.
        """
        if self._systemd is not None:
            self._systemd.notify(STOPPING="1", STATUS="Stopping; finishing what is under way.")
            self._systemd.close()
        timer = threading.Timer(
            self._shutdown_timeout_s + _CLOSE_S,
            self._leave,
            ("Threads are still at work; leaving them.",),
        )
        timer.daemon = True
        timer.start()
        await super().shutdown(sockets)

    def _fail(self, cause: BaseException) -> None:
        # A device that fails at start leaves no model either; the first reason is the true one.
        wrong = EXIT_SETTINGS if isinstance(cause, SettingsError) else EXIT_FAILED
        code = EXIT_NO_MODEL if isinstance(cause, NoModelError) else wrong
        self.exit_code = self.exit_code or code
        self.should_exit = True

    def _leave(self, reason: str) -> NoReturn:
        _LOG.critical(reason)
        self._listener.close()
        os._exit(self.exit_code or EXIT_FAILED)


def _condition(service: ScoreService, request_s: float) -> Condition:
    """How the server is; ``request_s`` is longer than any request waits for a device at work."""
    ready = service.state == "ready"
    waited_s = max((model.traffic().oldest_s for model in service.models()), default=0.0)
    if service.health_error is not None:
        return Condition(ready, f"Unhealthy: {service.health_error}.", False)
    if waited_s > request_s:
        return Condition(ready, f"The models have taken no request for {request_s:g} s.", False)
    return Condition(ready, f"The server is {service.state}.", True)
