"""Uvicorn around the application, and how the process ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import Final

import uvicorn

from audio_score_server.assembly import build_service
from audio_score_server.errors import NoModelError
from audio_score_server.listener import Listener
from audio_score_server.settings import Settings
from audio_score_server.web.app import create_app

_LOG = logging.getLogger(__name__)
EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_NO_MODEL: Final = 3
"""Starting again will not help: no model can be loaded."""
_KEEP_ALIVE_S: Final = 75
_GRACE_S: Final = 20
"""How long requests under way may go on after a signal to stop."""
_CLOSE_S: Final = 5
"""How long threads may go on after that."""


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
        _LOG.info("Listening on %s.", listener.address)
        server = _Server(settings, listener)
        # For the moments before Uvicorn handles signals itself, and for its end: it raises the
        # signal that stopped it once more, which must not keep the process from ending in order.
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
            timeout_graceful_shutdown=_GRACE_S,
            lifespan="on",
        )
        super().__init__(config)
        self._listener = listener
        self.exit_code = EXIT_OK

    def stop(self, *_: object) -> None:
        """End in order."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own, with an end.

        A decoder at work or a read from a dead network folder cannot be interrupted, and Python
        waits for such threads for ever.
        """
        timer = threading.Timer(_GRACE_S + _CLOSE_S, self._leave)
        timer.daemon = True
        timer.start()
        await super().shutdown(sockets)

    def _fail(self, cause: Exception) -> None:
        self.exit_code = EXIT_NO_MODEL if isinstance(cause, NoModelError) else EXIT_FAILED
        self.stop()

    def _leave(self) -> None:
        _LOG.critical("Threads are still at work; leaving them.")
        self._listener.close()
        os._exit(self.exit_code or EXIT_FAILED)
