"""What may be fetched."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from audio_score_server.fetching.hosts import HostPattern


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """From where recordings may be fetched, how much of them, and how long it may take.

    Attributes:
        allowed_hosts: as ``HostPattern`` reads them; nothing is fetched where there are none.
        max_bytes: of a recording.
        timeout_s: for all of it: looking up, connecting, redirects, and the recording.
        max_redirects: that are followed.
        allowed_networks: that may be reached although they are not public.

    Raises:
        ValueError: an allowed host cannot be read.
    """

    allowed_hosts: tuple[str, ...]
    max_bytes: int
    timeout_s: float
    max_redirects: int = 5
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def __post_init__(self) -> None:
        for text in self.allowed_hosts:
            HostPattern.of(text)

    def admits(self, host: str, port: int) -> bool:
        """Whether a host, in its canonical form, may be asked at a port."""
        return any(HostPattern.of(text).admits(host, port) for text in self.allowed_hosts)
