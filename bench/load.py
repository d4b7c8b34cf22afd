"""Load on a running server, from a process of its own that takes little of the cores.

    python -m bench.load --port PORT --recordings FOLDER --warm-up-s W --seconds S --deadline-s D
                         (--clients N | --rate R)

With ``--clients``, each of them sends a recording, waits for its answer and sends the next one.
With ``--rate``, recordings come at random moments, so many a second on average, whatever becomes of
those before: the same moments each time. Latencies count from the moment at which a request should
have been sent. Recordings are files ``<uid>_<cid>_<kind>.<ending>``.

Prints a line when counting begins and one when it ends, for whoever watches the server meanwhile,
and then one JSON object. ``bench.phases`` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from bench import options
from bench.demo import ids
from bench.server import HOST

BEGIN: Final = "begin"
END: Final = "end"
_PATIENCE_S: Final = 60.0
"""How long clients that wait for each other's sake wait."""
_GIVING_UP: Final = 1.25
"""Deadlines after which one that came at its own time stops waiting: an answer that tells of the
deadline gets through."""
_PAUSE_S: Final = 0.05
"""Before a refused client asks again."""
_SEED: Final = 20
_BOUNDARY: Final = "recording-boundary"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)")
_KINDS: Final = {429: "busy", 503: "busy", 408: "timeout", 504: "timeout"}
"""What servers answer when there is too much to do, and when it took too long."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that has ended.

    Attributes:
        due: when it should have been sent.
        sent: when it was.
        ended: when its answer was there, or was no longer waited for.
        kind: ``ok``, ``late``, ``busy``, ``timeout`` or ``other``.
    """

    due: float
    sent: float
    ended: float
    kind: str


class _Clients:
    """Connections to one server, which are kept."""

    def __init__(self, port: int, deadline_s: float, patience_s: float) -> None:
        self._port = port
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._idle: list[Connection] = []
        self.answered: list[Answered] = []

    async def post(self, request: bytes, due: float) -> str:
        """Send a request that is due, and note what becomes of it."""
        sent = time.perf_counter()
        try:
            async with asyncio.timeout(due + self._patience_s - sent):
                status = await self._ask(request)
        except TimeoutError:
            kind = "late"
        except (OSError, EOFError):
            kind = "other"
        else:
            in_time = time.perf_counter() - due <= self._deadline_s
            kind = _KINDS.get(status, "other") if status != 200 else "ok" if in_time else "late"
        self.answered.append(Answered(due, sent, time.perf_counter(), kind))
        return kind

    async def _ask(self, request: bytes) -> int:
        """Status of the answer."""
        reader, writer = connection = await self._connection()
        keep = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            # Who refuses ahead of the body may hang up behind the head.
            with suppress(OSError, EOFError):
                length = _LENGTH.search(head)
                rest = (
                    reader.readexactly(int(length[1])) if length else reader.readuntil(b"0\r\n\r\n")
                )
                await rest
                keep = b"\r\nconnection: close" not in head
        finally:
            if keep:
                self._idle.append(connection)
            else:
                writer.transport.abort()
        return int(head[9:12])

    async def _connection(self) -> Connection:
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
        return await asyncio.open_connection(HOST, self._port)


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True, help="On the loopback address.")
    add("--recordings", type=Path, required=True, help="Folder of recordings.")
    add("--warm-up-s", type=float, required=True, help="Before it counts.")
    add("--seconds", type=float, required=True, help="How long to count.")
    add("--deadline-s", type=float, required=True, help="When an answer is late.")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--clients", type=int, help="Requests under way at once.")
    way.add_argument("--rate", type=float, help="Requests a second.")
    arguments = parser.parse_args()
    requests = [make_request(path) for path in sorted(arguments.recordings.iterdir())]
    patience_s = _GIVING_UP * arguments.deadline_s if arguments.rate else _PATIENCE_S
    clients = _Clients(arguments.port, arguments.deadline_s, patience_s)
    print(json.dumps(asyncio.run(_load(clients, requests, arguments))))


def make_request(path: Path, padding: int = 0) -> bytes:
    """The whole of a request, with so many bytes of nothing behind the recording."""
    uid, cid = ids(path.name)
    disposition = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
    before = (
        f'{disposition}"uid"\r\n\r\n{uid}\r\n{disposition}"cid"\r\n\r\n{cid}\r\n'
        f'{disposition}"audio"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    after = f"\r\n--{_BOUNDARY}--\r\n"
    body = before.encode() + path.read_bytes() + bytes(padding) + after.encode()
    head = (
        f"POST /score HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    )
    return head.encode() + body


async def _load(
    clients: _Clients, requests: list[bytes], arguments: argparse.Namespace
) -> dict[str, object]:
    start = time.perf_counter() + arguments.warm_up_s
    end = start + arguments.seconds
    if arguments.rate:
        sending = _come(clients, requests, arguments.rate)
    else:
        sending = _wait_for_each(clients, requests, arguments.clients)
    task = asyncio.create_task(sending)
    cpu_s = await _watch(start, end)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    counted = [each for each in clients.answered if start <= each.ended < end]
    # Late ones that were given up have no answer, but waited at least so long.
    scored = [each.ended - each.due for each in counted if each.kind in ("ok", "late")]
    return {
        "kinds": Counter(each.kind for each in counted),
        "latencies_s": scored,
        "lags_s": [each.sent - each.due for each in counted],
        "cpu_s": cpu_s,
    }


async def _watch(start: float, end: float) -> float:
    """Tell when counting begins and ends; the CPU seconds that this process takes meanwhile."""
    await asyncio.sleep(start - time.perf_counter())
    before = time.process_time()
    print(BEGIN, flush=True)
    await asyncio.sleep(end - time.perf_counter())
    print(END, flush=True)
    return time.process_time() - before


async def _wait_for_each(clients: _Clients, requests: list[bytes], count: int) -> None:
    """So many clients, each starting at another recording."""
    async with asyncio.TaskGroup() as tasks:
        for index in range(count):
            place = index * len(requests) // count
            tasks.create_task(_repeat(clients, islice(cycle(requests), place, None)))


async def _repeat(clients: _Clients, requests: Iterator[bytes]) -> None:
    for request in requests:
        if await clients.post(request, time.perf_counter()) in ("busy", "timeout", "other"):
            await asyncio.sleep(_PAUSE_S)


async def _come(clients: _Clients, requests: list[bytes], rate: float) -> None:
    """Poisson arrivals."""
    chance = random.Random(_SEED)
    due = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for request in cycle(requests):
            due += chance.expovariate(rate)
            await asyncio.sleep(due - time.perf_counter())
            tasks.create_task(clients.post(request, due))


if __name__ == "__main__":
    main()
