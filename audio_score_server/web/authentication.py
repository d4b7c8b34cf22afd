"""Whom the server lets in: bearers of a key, as often as the rate allows."""

from __future__ import annotations

import ipaddress
import time
from typing import Final, Self

from starlette.datastructures import Headers
from starlette.types import Scope

from audio_score_server.api_keys import ApiKeys
from audio_score_server.errors import AudioScoreError, TooManyRequests, Unauthorized, shortened
from audio_score_server.library.errors import Forbidden, LibraryReadOnly
from audio_score_server.paths import CLIPS_PREFIX
from audio_score_server.settings import Settings
from audio_score_server.web.families import RouteFamilies

_OPEN: Final = frozenset(
    {
        *("/", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"),
        *("/health", "/health/live", "/health/ready", "/studio"),
    }
)
_OPEN_FOLDERS: Final = ("/static-offline-docs/", "/studio/")
"""Scripts of the documentation page and of the studio, which ask for the key themselves."""
_CHANGES: Final = ("PUT", "PATCH", "DELETE")
_NETWORK: Final = 64
"""Bits that a provider gives a household of IPv6 addresses, which count as one client."""


class Authenticator:
    """Asked of every request before anything of its body is read."""

    def __init__(
        self,
        keys: ApiKeys | None,
        families: RouteFamilies,
        behind_proxy: bool,
        admin_keys: ApiKeys | None = None,
    ) -> None:
        """Make one.

        Args:
            keys: None where none is needed.
            families: whose requests may be limited in rate.
            behind_proxy: whether only a proxy of our own can connect, so that the address it names
                can be believed.
            admin_keys: good for everything; None where nothing may be changed.
        """
        self._keys = keys
        self._admin_keys = admin_keys
        self._families = families
        self._behind_proxy = behind_proxy

    @classmethod
    def of(cls, settings: Settings, families: RouteFamilies) -> Self:
        """As the settings ask.

        Raises:
            SettingsError: the keys cannot be read any more.
        """
        keys = ApiKeys.load(settings.api_keys_file) if settings.api_keys_file else None
        admin_keys = ApiKeys.load(settings.admin_keys_file) if settings.admin_keys_file else None
        # Whoever can open a Unix socket has been let through to it by its folder.
        behind_proxy = settings.server_socket is not None
        return cls(keys, families, behind_proxy, admin_keys)

    def rejection(self, scope: Scope) -> AudioScoreError | None:
        """Why the request is not let in; None where it is."""
        path = scope["path"]
        headers = Headers(scope=scope)
        header = headers.get("authorization")
        client = self._admin_keys.client_of(header) if self._admin_keys else None
        if client is None and _is_change(scope):
            return self._change_rejection(header)
        if client is None and self._keys is not None and not _is_open(path):
            client = self._keys.client_of(header)
            if client is None:
                return _unknown(header)
        rate = self._families.of(path).rate_limit
        if rate is not None and scope["method"] == "POST":
            wait_s = rate.wait_s(client or self._address(scope, headers), time.monotonic())
            if wait_s:
                return TooManyRequests(rate.per_minute, wait_s)
        return None

    def _change_rejection(self, header: str | None) -> AudioScoreError:
        """Why somebody without an admin key may not change clips."""
        if self._admin_keys is None:
            return LibraryReadOnly(
                "Clips cannot be changed by requests here. Operators name a file of keys in "
                "AUDIO_SCORE_ADMIN_KEYS_FILE."
            )
        if self._keys is not None and self._keys.admits(header):
            return Forbidden("This key may not change clips. Send one of the server's admin keys.")
        return _unknown(header)

    def _address(self, scope: Scope, headers: Headers) -> str:
        """What tells a client without a key from others."""
        if self._behind_proxy:
            # A proxy adds whom it sees at the end; what comes before may be made up.
            named = ",".join(headers.getlist("x-forwarded-for"))
            return _household(named.rpartition(",")[2].strip())
        return _household(scope["client"][0] if scope["client"] else "")


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_FOLDERS)


def _is_change(scope: Scope) -> bool:
    return scope["path"].startswith(CLIPS_PREFIX) and scope["method"] in _CHANGES


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
