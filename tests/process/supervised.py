"""A server as systemd starts it, and the socket that systemd would listen on.

Run as a module, it is a gated server whose event loop SIGUSR1 holds for a while.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from tests.process import gated
from tests.process.gated import GatedServer, gated_start
from tests.process.server import ROOT

HELD_S: Final = 2.0
_PATIENCE_S: Final = 20.0


class Manager:
    """What systemd hears."""

    def __init__(self, address: str) -> None:
        """``address``: as in ``NOTIFY_SOCKET``; with ``@`` in front it is abstract."""
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.heard: list[dict[str, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def wait_for(self, name: str, part: str = "", within_s: float = _PATIENCE_S) -> str:
        """The next value of a field that has this part."""
        deadline = time.monotonic() + within_s
        while True:
            value = self._next(deadline).get(name)
            if value is not None and part in value:
                return value

    def _next(self, deadline: float) -> dict[str, str]:
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        fields = dict(
            line.split("=", 1) for line in self._socket.recv(65_536).decode().splitlines()
        )
        self.heard.append(fields)
        return fields

    def is_silent_for(self, seconds: float) -> bool:
        """Whether no watchdog ping comes for so long."""
        try:
            self.wait_for("WATCHDOG", within_s=seconds)
        except TimeoutError:
            return True
        return False

    def empty(self) -> None:
        """Forget what has come already."""
        while True:
            try:
                self._next(time.monotonic())
            except TimeoutError:
                return


def supervised(
    config: str, manager: Manager, limit_s: float
) -> AbstractContextManager[GatedServer]:
    """A starting server of a manager that wants a watchdog ping within the limit."""
    variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(round(limit_s * 1e6))}
    return gated_start(config, module=__name__, **variables)


def _hold(number: int, frame: FrameType | None) -> None:
    time.sleep(HELD_S)


def _serve(arguments: list[str]) -> Any:
    signal.signal(signal.SIGUSR1, _hold)
    return gated._serve(arguments)


if __name__ == "__main__":
    assert Path.cwd() == ROOT
    sys.exit(_serve(sys.argv[1:]))
