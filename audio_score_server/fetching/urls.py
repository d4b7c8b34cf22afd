"""URLs, read so strictly that no two programs can read them differently."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from audio_score_server.errors import UrlForbidden
from audio_score_server.fetching.hosts import HIGHEST_PORT, PORT, canonical_host

_LONGEST: Final = 8_000
"""Characters; RFC 9110 has every server take so many, and signed URLs need some thousands."""
_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
"""Those of RFC 3986."""
_URL: Final = re.compile(
    rf"(https?)://(\[[^]/?#]*\]|[^:@/?#\[\]]+)(?::({PORT}))?(/[^?#]*)?(\?[^#]*)?(?:#.*)?",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FORM: Final = (
    "The URL cannot be read. Give it as https://host/path (or http), with the host's name in ASCII "
    "(punycode), no user name or password, and what else RFC 3986 does not allow percent-encoded."
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RecordingUrl:
    """Where a recording is.

    Attributes:
        scheme: ``http`` or ``https``.
        host: in its canonical form.
        port: given or by default.
        target: path and query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port, as the header ``Host`` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def redirected(self, location: str) -> RecordingUrl:
        """Where a redirect from here leads.

        Raises:
            UrlForbidden: it cannot be read, or gives up encryption.
        """
        _check_characters(location)
        if location.startswith("//"):
            location = f"{self.scheme}:{location}"
        # With a scheme but no host, some take it for a path, and others for a host.
        elif not _SCHEME.match(location):
            location = urljoin(f"{self.scheme}://{self.authority}{self.target}", location)
        url = read_url(location)
        if self.scheme == "https" and url.scheme == "http":
            raise UrlForbidden("It leads from https to http. Give a URL that stays with https.")
        return url


def read_url(text: str) -> RecordingUrl:
    """A URL without its fragment.

    Raises:
        UrlForbidden: it is none of http or https, or has more than one reading.
    """
    _check_characters(text)
    parts = _URL.fullmatch(text)
    host = canonical_host(parts[2]) if parts else None
    if parts is None or host is None:
        raise UrlForbidden(_FORM)
    scheme = parts[1].lower()
    port = int(parts[3] or _DEFAULT_PORTS[scheme])
    if port > HIGHEST_PORT:
        raise UrlForbidden(_FORM)
    return RecordingUrl(scheme, host, port, (parts[4] or "/") + (parts[5] or ""))


def _check_characters(text: str) -> None:
    """Before anything else looks at it: parsers drop or convert what is not allowed."""
    if len(text) > _LONGEST:
        raise UrlForbidden(f"The URL is too long: at most {_LONGEST:,} characters are taken.")
    if not _CHARACTERS.fullmatch(text):
        raise UrlForbidden(_FORM)
