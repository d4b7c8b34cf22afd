"""Hosts in the one spelling in which they are compared, and patterns that admit some of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import Final

_LONGEST_NAME: Final = 253
"""Characters of a name in the DNS."""
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IPV6: Final = re.compile(r"\[([0-9a-f:.]+)\]")
"""No zone (``%eth0``): it names an interface of this machine."""
PORT: Final = r"[1-9][0-9]{0,4}"
HIGHEST_PORT: Final = 65_535
_PATTERN: Final = re.compile(rf"(\*\.)?(\*|\[[^]]*\]|[^:\[\]]+)(?::({PORT}))?")
_USUAL_PORTS: Final = (80, 443)


def canonical_host(text: str) -> str | None:
    """A host of a URL in lower case, an IPv6 address without its brackets.

    A host whose last label is a number is an IPv4 address to browsers and C libraries, in
    whichever of its forms: of those, four decimal numbers alone are taken.

    Returns:
        None for what is neither a name in ASCII nor an address.
    """
    host = text.lower()
    try:
        if literal := _IPV6.fullmatch(host):
            return str(IPv6Address(literal[1]))
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return str(IPv4Address(host))
    except AddressValueError:
        return None
    return host if len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) else None


def is_address(host: str) -> bool:
    """Whether a host in its canonical form is an address; else it is a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class HostPattern:
    """Hosts that are allowed.

    Attributes:
        host: a name or an address; every host where it is empty.
        below: whether the names below ``host`` are meant instead of itself.
        port: the one allowed; 80 and 443 where it is None.
    """

    host: str
    below: bool
    port: int | None

    @classmethod
    def of(cls, text: str) -> HostPattern:
        """Read ``example.com``, ``*.example.com`` or ``*``, with a port or without.

        Raises:
            ValueError: it is none of these.
        """
        parts = _PATTERN.fullmatch(text)
        below, host, port = parts.groups() if parts else (None, "", None)
        known = "" if host == "*" and not below else canonical_host(host)
        if known is None or (below and is_address(known)) or int(port or 0) > HIGHEST_PORT:
            raise ValueError(
                f"{text!r} is no host; give example.com, *.example.com (all names below it) or * "
                "(every public host), followed by :port where it is neither 80 nor 443"
            )
        return cls(known, bool(below), int(port) if port else None)

    def admits(self, host: str, port: int) -> bool:
        """Whether a host, in its canonical form, may be asked at a port."""
        if port not in (_USUAL_PORTS if self.port is None else (self.port,)):
            return False
        return host.endswith(f".{self.host}") if self.below else self.host in ("", host)
