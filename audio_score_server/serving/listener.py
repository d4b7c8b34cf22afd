"""The socket that a server listens on: a port, or a path that it cleans up."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
        # Held open, or its number might be given to the socket of whoever takes the path over.
        self._own = os.open(path, os.O_PATH | os.O_NOFOLLOW) if path else None

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
        with _turn(path.parent), ExitStack() as undone:
            _remove_stale(path)
            listening = undone.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listening.bind(str(path))
            undone.callback(path.unlink, missing_ok=True)
            # Whoever may enter the folder may connect.
            path.chmod(0o666)
            listening.listen(_BACKLOG)
            listener = cls(listening, f"unix:{path}", path)
            undone.pop_all()
            return listener

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
        # Taken away first: a second signal may call this once more in the midst of it.
        own, self._own = self._own, None
        if own is None or self._path is None:
            return
        with suppress(FileNotFoundError), _turn(self._path.parent):
            if os.path.samestat(os.fstat(own), self._path.lstat()):
                self._path.unlink()
        os.close(own)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Be the only one to bind or remove sockets in a folder.

    A socket that is bound and not yet listened on looks like one that a killed server left behind.
    The lock is on the folder itself: no file of it is left over.

    Raises:
        OSError: there is no such folder, or it cannot be locked.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    """Nobody listens on the socket of a server that was killed."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Not to wait in a queue that is full: who has one is alive.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            pass
        except ConnectionRefusedError:
            path.unlink()
