"""What can be known to go wrong is checked before anything is started."""

from __future__ import annotations

import resource
import socket
from pathlib import Path
from typing import Final

from audio_score_server.gateway import nginx_config
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.run_dir import RunDir

_MIN_OPEN_FILES: Final = 1024
_MAX_OPEN_FILES: Final = 16_384
_BACKLOG: Final = 2048


def bind(host: str, port: int) -> socket.socket:
    """A socket that Nginx will inherit, bound and not yet listening.

    The port belongs to the supervisor: while Nginx is replaced clients wait, and are not refused.

    Raises:
        GatewayError: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise GatewayError(
            f"Cannot listen on {host}, port {port}: {reason}. Stop what is there, or name another "
            "place with --listen-port or --listen-host."
        ) from None
    return listener


def listen(listener: socket.socket) -> None:
    """Accept clients from now on.

    Raises:
        GatewayError: another process has done so first.
    """
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        raise GatewayError(
            f"Cannot listen on {address_of(listener)}: {error.strerror}. Stop what is there, or "
            "name another place with --listen-port."
        ) from None


def address_of(listener: socket.socket) -> str:
    """Address and port as Nginx and URLs write them."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def max_open_files() -> int:
    """How many files Nginx may be allowed to open."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard_limit == resource.RLIM_INFINITY:
        return _MAX_OPEN_FILES
    return min(_MAX_OPEN_FILES, max(_MIN_OPEN_FILES, hard_limit))


def link_certificate(run_dir: RunDir, certificate: Path, key: Path) -> None:
    """Give certificate and key plain names in the run directory.

    Raises:
        GatewayError: one of them cannot be read.
    """
    for path, flag, name in (
        (certificate, "--tls-certificate", nginx_config.CERTIFICATE),
        (key, "--tls-key", nginx_config.KEY),
    ):
        try:
            path.open("rb").close()
        except OSError as error:
            raise GatewayError(
                f"{flag} {path} cannot be read: {error.strerror}. Name a PEM file that this user "
                "may read."
            ) from None
        (run_dir.path / name).symlink_to(path.absolute())
