"""Whom the server lets in: bearers of a key, as often as the rate allows."""

from __future__ import annotations

import ipaddress
import time
from typing import Final, Self

from starlette.datastructures import Headers
from starlette.types import Scope

from audio_score_server.api_keys import ApiKeys
from audio_score_server.errors import AudioScoreError, TooManyRequests, Unauthorized, shortened
from audio_score_server.settings import Settings
from audio_score_server.web.access_log import SCORE_PATHS
from audio_score_server.web.rate_limit import RateLimit

_OPEN: Final = frozenset(
    {
        *("/", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"),
        *("/health", "/health/live", "/health/ready"),
    }
)
_OPEN_FOLDER: Final = "/static-offline-docs/"
"""Scripts of the documentation page."""
_NETWORK: Final = 64
"""Bits that a provider gives a household of IPv6 addresses, which count as one client."""


class Authenticator:
    """Asked of every request before anything of its body is read."""

    def __init__(self, keys: ApiKeys | None, rate: RateLimit | None, behind_proxy: bool) -> None:
        """Make a door.

        Args:
            keys: None where none is needed.
            rate: of requests for a score; None where it is not limited.
            behind_proxy: whether only a proxy of our own can connect, so that the address it names
                can be believed.
        """
        self._keys = keys
        self._rate = rate
        self._behind_proxy = behind_proxy

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The door that the settings ask for.

        Raises:
            SettingsError: the keys cannot be read any more.
        """
        keys = ApiKeys.load(settings.api_keys_file) if settings.api_keys_file else None
        per_minute = settings.rate_limit_per_minute
        # Whoever can open a Unix socket has been let through to it by its folder.
        behind_proxy = settings.server_socket is not None
        return cls(keys, RateLimit(per_minute) if per_minute else None, behind_proxy)

    def rejection(self, scope: Scope) -> AudioScoreError | None:
        """Why the request is not let in; None where it is."""
        path = scope["path"]
        headers = Headers(scope=scope)
        client = None
        if self._keys is not None and not _is_open(path):
            header = headers.get("authorization")
            client = self._keys.client_of(header)
            if client is None:
                return _unknown(header)
        if self._rate is not None and scope["method"] == "POST" and path in SCORE_PATHS:
            wait_s = self._rate.wait_s(client or self._address(scope, headers), time.monotonic())
            if wait_s:
                return TooManyRequests(self._rate.per_minute, wait_s)
        return None

    def _address(self, scope: Scope, headers: Headers) -> str:
        """What tells a client without a key from others."""
        if self._behind_proxy:
            # A proxy adds whom it sees at the end; what comes before may be made up.
            named = ",".join(headers.getlist("x-forwarded-for"))
            return _household(named.rpartition(",")[2].strip())
        return _household(scope["client"][0] if scope["client"] else "")


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_FOLDER)


def _unknown(header: str | None) -> Unauthorized:
    if not header:
        return Unauthorized("An API key is needed. Send it as 'Authorization: Bearer KEY'.")
    return Unauthorized(
        "The Authorization header bears no API key that is known here. Send one of this server's "
        "as 'Authorization: Bearer KEY'."
    )


def _household(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return shortened(address)
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed.packed, _NETWORK), strict=False))
    return str(parsed)
