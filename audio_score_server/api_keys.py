"""API keys: who may use the server.

Knows no web framework: the gateway asks here too.
"""

from __future__ import annotations

import hmac
import re
import stat
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from audio_score_server.errors import SettingsError

_KEY: Final = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
"""What a header carries unquoted, and long enough not to be guessed."""
_MAKE: Final = "Make one with: openssl rand -hex 32"


class ApiKeys:
    """The keys of which a request must bear one."""

    def __init__(self, keys: Iterable[str]) -> None:
        # Of one length whatever the key's, so that a comparison tells nothing of it.
        self._digests = tuple(sha256(key.encode()).digest() for key in keys)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file with one key a line; lines that begin with ``#`` are comments.

        Raises:
            SettingsError: the file cannot be read, may be read by everyone, holds no key, or holds
                one that cannot be sent. No key is ever part of the text.
        """
        lines = enumerate(_read(path).splitlines(), start=1)
        keys = {n: line.strip() for n, line in lines if line.strip() and line.strip()[0] != "#"}
        for number, key in keys.items():
            if not _KEY.fullmatch(key):
                raise SettingsError(
                    f"{path}, line {number}: a key has 16 to 512 letters, digits or any of "
                    f"._~+/=- and nothing beside it. {_MAKE}"
                )
        if not keys:
            raise SettingsError(f"{path} holds no API key: one a line is needed. {_MAKE}")
        return cls(keys.values())

    def admits(self, header: str | None) -> bool:
        """Whether an ``Authorization`` header bears a key; None where there is no header."""
        return self.client_of(header) is not None

    def client_of(self, header: str | None) -> str | None:
        """What tells the bearer of a key from others, without telling the key.

        Args:
            header: the ``Authorization`` header, if there is one.

        Returns:
            The key's digest; None where the header bears no key, or none of these.
        """
        scheme, _, key = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = sha256(key.strip().encode()).digest()
        # All of them, so that the time taken does not tell which one it was.
        known = [hmac.compare_digest(digest, each) for each in self._digests]
        return digest.hex() if any(known) else None


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for somebody to write into it
            raise SettingsError(f"{path} must be a file with one API key a line.")
        if mode & stat.S_IROTH:
            raise SettingsError(
                f"{path} holds API keys and may be read by everyone. Run: chmod o= '{path}'"
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"The API keys in {path} cannot be read: {error.strerror}. Name the file with "
            "api_keys_file, and let the server's user read it."
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text; one API key a line is needed. {_MAKE}") from None
