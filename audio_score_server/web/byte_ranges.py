"""Parts of files, as browsers ask for them to seek (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from starlette.responses import Response, StreamingResponse

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_ETAG: Final = re.compile(r'(?:W/)?"[^"]*"|\*')
_CHUNK: Final = 2**16


class RangeNotSatisfiable(Exception):
    """The file ends before the range begins."""


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last that a ``Range`` header asks for.

    Args:
        header: as it was sent, if it was.
        size: of the file, in bytes.

    Returns:
        The range; None for the whole file, also where the header is not understood or asks for
        several ranges at once, as a server may choose to.

    Raises:
        RangeNotSatisfiable: nothing of the file is in the range.
    """
    asked = _RANGE.fullmatch(header.strip()) if header else None
    if asked is None or asked.group(1) == asked.group(2) == "":
        return None
    first, last = asked.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise RangeNotSatisfiable
    return start, stop


def etags_of(header: str | None) -> tuple[str, ...] | None:
    """The ETags in an ``If-Match`` or ``If-None-Match`` header; None without one."""
    return None if header is None else tuple(_ETAG.findall(header))


def is_among(etag: str, etags: tuple[str, ...] | None) -> bool:
    """Whether an ETag is one of some, weak ones too, as is right for what is only read."""
    return etags is not None and any(each in ("*", etag, f"W/{etag}") for each in etags)


def file_response(stream: BinaryIO, size: int, asked: tuple[int, int] | None) -> Response:
    """An answer that carries a file, or a part of it; the file is closed at its end."""
    start, stop = asked or (0, size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(stop - start)}
    if asked is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    stream.seek(start)
    return StreamingResponse(_chunks(stream, stop - start), 206 if asked else 200, headers)


def _chunks(stream: BinaryIO, left: int) -> Iterator[bytes]:
    with stream:
        while left > 0:
            chunk = stream.read(min(left, _CHUNK))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk
