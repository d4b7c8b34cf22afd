"""Uvicorn around the application: where it listens, and how the process ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
from pathlib import Path
from typing import Final

import uvicorn

from audio_score_server.assembly import build_service
from audio_score_server.settings import Settings
from audio_score_server.web.app import create_app

_LOG = logging.getLogger(__name__)
EXIT_OK: Final = 0
EXIT_CANNOT_START: Final = 3
"""Starting again will not help: no model can be loaded, or the address is taken."""
_KEEP_ALIVE_S: Final = 75


def serve(settings: Settings) -> int:
    """Serve until a signal says stop.

    Returns:
        The process's exit code.
    """
    try:
        listener = _listen(settings)
    except OSError as error:
        _LOG.critical("Cannot listen on %s: %s.", _address(settings), error.strerror)
        return EXIT_CANNOT_START
    failed = False

    def fail() -> None:
        nonlocal failed
        failed = server.should_exit = True

    app = create_app(settings, build_service, fail)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level=settings.log_level,
            timeout_keep_alive=_KEEP_ALIVE_S,
            lifespan="on",
        )
    )
    _LOG.info("Listening on %s.", _address(settings, listener))
    # Uvicorn raises the signal that stopped it once more at its end; here that must do nothing, so
    # that the socket is removed and the exit code says whether all went well.
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: None)
    try:
        server.run(sockets=[listener])
    finally:
        _remove_socket(settings)
    return EXIT_CANNOT_START if failed else EXIT_OK


def _listen(settings: Settings) -> socket.socket:
    """A bound socket; a stale Unix socket that nobody answers on is replaced."""
    if settings.server_socket is None:
        return _listen_on_port(settings.server_host, settings.server_port)
    path = settings.server_socket
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        # Whoever may enter the folder may connect.
        path.chmod(0o666)
    except OSError:
        listener.close()
        raise
    return listener


def _listen_on_port(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket left by a killed server; refuse to take over a living one's."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def _remove_socket(settings: Settings) -> None:
    if settings.server_socket is not None:
        settings.server_socket.unlink(missing_ok=True)


def _address(settings: Settings, listener: socket.socket | None = None) -> str:
    if settings.server_socket is not None:
        return f"unix:{os.fspath(settings.server_socket)}"
    port = listener.getsockname()[1] if listener else settings.server_port
    return f"http://{settings.server_host}:{port}"
