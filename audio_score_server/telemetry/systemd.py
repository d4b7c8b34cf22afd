"""Notifies systemd of a server that it has started: ready, stopping, watchdog pings.

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
"""A watchdog ping is due at half the limit; looking more often than that keeps it punctual."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A server at the moment of being asked.

    Attributes:
        ready: whether it has its models warm and has not been told to stop.
        status: one line for ``systemctl status``.
        advancing: whether its models answer; while they do not, systemd gets no watchdog ping.
    """

    ready: bool
    status: str
    advancing: bool


class Systemd:
    """The notification socket of the systemd that started this process."""

    def __init__(self, address: str, watchdog_s: float | None) -> None:
        """Open the socket.

        Args:
            address: of its socket; an abstract one begins with ``@``.
            watchdog_s: how long it waits for a watchdog ping; None for ever.
        """
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def found(cls, environment: Mapping[str, str], pid: int) -> Self | None:
        """The socket that the environment names.

        Args:
            environment: usually ``os.environ``.
            pid: of this process; a watchdog may be meant for another.

        Returns:
            None where systemd did not ask to be notified.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None
        limit_us = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watched = meant and limit_us.isdecimal() and int(limit_us) > 0
        return cls(address, int(limit_us) / 1e6 if watched else None)

    def notify(self, **fields: str) -> None:
        """Send one message; one that cannot be sent is logged, and nothing else happens."""
        lines = (f"{name}={' '.join(value.splitlines())}" for name, value in fields.items())
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _LOG.warning("Cannot notify systemd of %s: %s.", ", ".join(fields), error.strerror)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


async def report(systemd: Systemd, look: Callable[[], Condition]) -> None:
    """Report every change and send watchdog pings, until cancelled.

    Runs on the event loop: a loop that is stuck sends none.

    Args:
        systemd: who is notified.
        look: how the server is.
    """
    limit_s = systemd.watchdog_s or math.inf
    pause_s = min(_LOOK_S, limit_s / _LOOKS_A_LIMIT)
    reported: Condition | None = None
    pinged_at = -math.inf
    while True:
        condition = look()
        if condition != reported:
            _report_change(systemd, reported, condition)
            reported = condition
        if condition.advancing and time.monotonic() - pinged_at >= limit_s / 2:
            pinged_at = time.monotonic()
            systemd.notify(WATCHDOG="1")
        await asyncio.sleep(pause_s)


def _report_change(systemd: Systemd, before: Condition | None, now: Condition) -> None:
    fields = {"STATUS": now.status}
    if now.ready and not (before and before.ready):
        fields["READY"] = "1"
    systemd.notify(**fields)
    if not now.advancing:
        _LOG.error("No more watchdog pings to systemd: %s", now.status)
