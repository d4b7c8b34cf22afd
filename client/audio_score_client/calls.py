"""What is asked of the server, and how it becomes an HTTP request."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import httpx
from anyio import to_thread

from audio_score_client.deadline import Deadline, TimeoutLeft
from audio_score_client.uploads import OnProgress, Upload, readers
from audio_score_client.version import __version__

Fields: TypeAlias = Mapping[str, str | list[str]]
API_KEY_VARIABLE: Final = "AUDIO_SCORE_API_KEY"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, which may be sent several times.

    Attributes:
        method: of HTTP.
        path: behind the server's address.
        params: of the query.
        headers: besides those that every request has.
        fields: of the form.
        uploads: files of the form.
        json: the body, where it is no form.
        on_progress: told how much of the files has been sent.
        repeatable: whether doing it twice is as good as once. What is not is sent again only where
            the server certainly did not do it.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Fields = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    json: Mapping[str, object] | None = None
    on_progress: OnProgress | None = None
    repeatable: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is, and who asks.

    Attributes:
        url: its address, with whatever path it is served under.
        headers: of every request; they hold the API key.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, url: str, api_key: str | None) -> Server:
        """A server.

        Args:
            url: its address, such as ``https://scores.example``.
            api_key: None for the environment's, if it has one.

        Raises:
            ValueError: the address or the key is none. The key is not repeated.
        """
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{url!r} is no address: {error}") from error
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError(f"{url!r} is no http or https address, such as http://localhost:9000")
        if address.query or address.fragment:
            raise ValueError(f"{url!r} has a query or a fragment; give the address alone.")
        told = f"audio-score-client/{__version__}"
        headers = {"Accept": "application/json", "User-Agent": told}
        key = os.environ.get(API_KEY_VARIABLE, "") if api_key is None else api_key
        if key.strip():
            headers["Authorization"] = f"Bearer {_checked(key.strip())}"
        return cls(url.rstrip("/"), headers)

    def request(
        self, http: httpx.Client | httpx.AsyncClient, call: Call, deadline: Deadline
    ) -> tuple[httpx.Request, ExitStack]:
        """The request of a call, and what closes its files.

        Raises:
            OSError: a file cannot be opened.
        """
        with ExitStack() as stack:
            opened = readers(call.uploads, call.on_progress, stack)
            files = [
                (upload.field, (upload.name, reader))
                for upload, reader in zip(call.uploads, opened, strict=True)
            ]
            body: dict[str, Any] = {}
            if files:
                body = {"data": dict(call.fields), "files": files}
            elif call.json is not None:
                body = {"json": dict(call.json)}
            request = http.build_request(
                call.method,
                f"{self.url}{call.path}",
                params=dict(call.params) or None,
                headers={**self.headers, **deadline.headers, **call.headers},
                extensions={"timeout": TimeoutLeft(deadline)},
                **body,
            )
            return request, stack.pop_all()


class OffLoop(httpx.AsyncByteStream):
    """A body whose files are read on a thread: a disk may take its time."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self._stream)
        while (chunk := await to_thread.run_sync(next, chunks, None)) is not None:
            yield chunk


def clip_path(uid: str, cid: str, more: str = "") -> str:
    """The address of a clip.

    Raises:
        ValueError: an id is empty.
    """
    if not uid or not cid:
        raise ValueError(f"A clip has a video id and a clip id; given were {uid!r} and {cid!r}.")
    return f"/clips/{_quoted(uid)}/{_quoted(cid)}{more}"


def _quoted(part: str) -> str:
    # Dots alone would be taken for a way up.
    return quote(part, safe="") if part.strip(".") else part.replace(".", "%2E")


def _checked(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("The API key holds blanks or characters that no key has.")
    return key
