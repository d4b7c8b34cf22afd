from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from audio_score_server.gateway.probe import get, is_ok

_TIMEOUT_S: Final = 5.0
_LARGE: Final = b"x" * 3_000_000


async def _ask(folder: Path, answer: bytes, timeout_s: float) -> tuple[int, bytes] | None:
    """What ``get`` makes of an answer, and of a connection closed after it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /health HTTP/1.1\r\n")
        assert b"\r\nX-Mine: yes\r\n" in request
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()
        await writer.wait_closed()
        served.set()

    path, served = folder / "s.sock", asyncio.Event()
    async with await asyncio.start_unix_server(serve, str(path)):
        response = await get(path, "/health", timeout_s, {"X-Mine": "yes"})
        await served.wait()
    return None if response is None else (response.status, response.content)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok")),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", (503, b"")),
        (b"HTTP/1.1 200 OK\r\n\r\n" + _LARGE, (200, _LARGE)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", None),
        (b"nonsense\r\n\r\n", None),
        (b"\r\n", None),
    ],
)
def test_only_a_whole_answer_is_one(
    tmp_path: Path, answer: bytes, expected: tuple[int, bytes] | None
) -> None:
    assert asyncio.run(_ask(tmp_path, answer, _TIMEOUT_S)) == expected


def test_one_that_does_not_come_in_time_is_none(tmp_path: Path) -> None:
    assert asyncio.run(_ask(tmp_path, b"", 0.1)) is None


def test_nobody_answers_where_nobody_listens(tmp_path: Path) -> None:
    assert asyncio.run(is_ok(tmp_path / "none.sock", "/", _TIMEOUT_S)) is None
    (tmp_path / "file.sock").touch()
    assert asyncio.run(is_ok(tmp_path / "file.sock", "/", _TIMEOUT_S)) is None
