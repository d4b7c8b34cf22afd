"""What systemd is told of a server that it has started: ready, stopping, alive.

The protocol is a datagram of ``NAME=value`` lines to the socket named by ``NOTIFY_SOCKET``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

_LOG = logging.getLogger(__name__)
_LOOK_S: Final = 0.25
_LOOKS_A_LIMIT: Final = 8
"""A sign of life is given at half the limit; looking more often than that keeps it punctual."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A server at the moment of being asked.

    Attributes:
        ready: whether it has its models warm and has not been told to stop.
        status: one line for ``systemctl status``.
        advancing: whether its models answer; while they do not, systemd is given no sign of life.
    """

    ready: bool
    status: str
    advancing: bool


class Systemd:
    """The line to the systemd that started this process."""

    def __init__(self, address: str, watchdog_s: float | None) -> None:
        """Open the line.

        Args:
            address: of its socket; an abstract one begins with ``@``.
            watchdog_s: how long it waits for a sign of life; None for ever.
        """
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def found(cls, environment: Mapping[str, str], pid: int) -> Self | None:
        """The line that the environment names.

        Args:
            environment: usually ``os.environ``.
            pid: of this process; a watchdog may be meant for another.

        Returns:
            None where systemd did not ask to be told.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None
        limit_us = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watched = meant and limit_us.isdecimal() and int(limit_us) > 0
        return cls(address, int(limit_us) / 1e6 if watched else None)

    def notify(self, **fields: str) -> None:
        """Send one message; one that cannot be sent is told in the log and otherwise nothing."""
        lines = (f"{name}={' '.join(value.splitlines())}" for name, value in fields.items())
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _LOG.warning("Cannot tell systemd %s: %s.", ", ".join(fields), error.strerror)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


async def report(systemd: Systemd, look: Callable[[], Condition]) -> None:
    """Tell of every change and give signs of life, until cancelled.

    Runs on the event loop: a loop that is stuck gives none.

    Args:
        systemd: who is told.
        look: how the server is.
    """
    limit_s = systemd.watchdog_s or math.inf
    pause_s = min(_LOOK_S, limit_s / _LOOKS_A_LIMIT)
    last: Condition | None = None
    lived = -math.inf
    while True:
        condition = look()
        if condition != last:
            _notify_change(systemd, last, condition)
            last = condition
        if condition.advancing and time.monotonic() - lived >= limit_s / 2:
            lived = time.monotonic()
            systemd.notify(WATCHDOG="1")
        await asyncio.sleep(pause_s)


def _notify_change(systemd: Systemd, before: Condition | None, now: Condition) -> None:
    fields = {"STATUS": now.status}
    if now.ready and not (before and before.ready):
        fields["READY"] = "1"
    systemd.notify(**fields)
    if not now.advancing:
        _LOG.error("No more signs of life to systemd: %s", now.status)
