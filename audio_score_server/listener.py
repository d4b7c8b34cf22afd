"""The socket that a server listens on: a port, or a path that it cleans up."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_BACKLOG: Final = 2048


class Listener:
    """A listening socket; leaving its ``with`` block closes it and removes its path."""

    def __init__(self, listening: socket.socket, address: str, path: Path | None = None) -> None:
        self.socket = listening
        self.address = address
        self._path = path
        self._inode = path.stat().st_ino if path else None

    @classmethod
    def on_port(cls, host: str, port: int) -> Self:
        """Listen on a TCP port; 0 takes a free one.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # Every connection inherits it. Without it the second part of an answer waits for the client
        # to acknowledge the first, 40 ms as a rule.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shown = f"[{host}]" if ":" in host else host
        return cls(listening, f"http://{shown}:{listening.getsockname()[1]}")

    @classmethod
    def on_path(cls, path: Path) -> Self:
        """Listen on a Unix socket, in place of one that a killed server left behind.

        Raises:
            OSError: a living server listens there, or the path cannot be made.
        """
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(path))
            # Whoever may enter the folder may connect.
            path.chmod(0o666)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        return cls(listening, f"unix:{path}", path)

    def __enter__(self) -> Self:
        """Use the socket."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the socket."""
        self.close()

    def close(self) -> None:
        """Stop listening; a path that another server has taken over since is left to it."""
        self.socket.close()
        if self._path and self._path.exists() and self._path.stat().st_ino == self._inode:
            self._path.unlink()


def _remove_stale(path: Path) -> None:
    """Nobody listens on the socket of a server that was killed."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
