"""Server-sent events, as they come off the connection."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from audio_score_client.errors import UnexpectedAnswer

_LARGEST: Final = 2**24
"""Characters of one event: more is no event of an Audio Score Server."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name, and its data, which are JSON."""

    name: str
    data: Any


class EventDecoder:
    """Bytes in, events out, however the bytes are cut."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete with these bytes.

        Raises:
            UnexpectedAnswer: the data of one are no JSON.
        """
        self._rest += self._decode(chunk)
        if len(self._rest) > _LARGEST:
            raise UnexpectedAnswer("The server's event does not end.")
        *lines, self._rest = self._rest.split("\n")
        for line in lines:
            event = self._take(line.removesuffix("\r"))
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._event()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        return None

    def _event(self) -> Event | None:
        name, data = self._name or "message", "\n".join(self._data)
        self._name, self._data = "", []
        if not data:
            return None
        try:
            return Event(name, json.loads(data))
        except ValueError as error:
            raise UnexpectedAnswer(f"The server's event {name!r} is no JSON.") from error
