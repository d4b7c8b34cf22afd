"""The endpoint as errors speak of it: its name, and its words without the key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from audio_score_server.errors import RemoteError

_LONGEST: Final = 200
_HIDDEN: Final = "[key]"
_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/]))')
"""What JSON may write for a character: a key is recognised however it is spelt."""


@dataclass(frozen=True, slots=True)
class Host:
    """Whom we ask.

    Attributes:
        name: host and port, for people.
        key: what must not be repeated.
    """

    name: str
    key: str = field(repr=False)

    def error(self, what: str, words: str = "") -> RemoteError:
        """An error in one line.

        Args:
            what: our words: what the host did, and the remedy if there is one.
            words: the host's own, of any kind and length.
        """
        said = quote(words, self.key)
        return RemoteError(f"{self.name} {what}: {said}" if said else f"{self.name} {what}.")


def quote(words: str, key: str) -> str:
    """Foreign words in one short line, without the key and without control characters."""
    plain = _ESCAPE.sub(_character, words).replace(key, _HIDDEN)
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def _character(escape: re.Match[str]) -> str:
    code, sign = escape.groups()
    return chr(int(code, 16)) if code else sign
