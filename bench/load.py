"""Closed-loop load on a running server, from a process of its own.

    python -m bench.load --port PORT --clients N --seconds S --recordings FOLDER

Each client sends a recording, waits for its score and sends the next one, on a connection that it
keeps. Recordings are files ``<uid>_<cid>_<kind>.<ending>``; every client goes through them in
order, each from another place. Prints one JSON object: the latencies of the scores that came within
the time, the CPU seconds that the clients took meanwhile, and the number of all scores.
``bench.scores`` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import httpx

from bench.demo import ids

_WARM_UP_S: Final = 1.0
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A request, encoded once: the clients should take little time from the server's cores."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """When to count: after the warm-up and before the end."""

    start: float
    end: float


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="On the loopback address.")
    parser.add_argument("--clients", type=int, default=8, help="Requests under way at once.")
    parser.add_argument("--seconds", type=float, default=10.0, help="How long to count.")
    parser.add_argument("--recordings", type=Path, required=True, help="Folder of recordings.")
    arguments = parser.parse_args()
    url = f"http://127.0.0.1:{arguments.port}/score"
    uploads = [_upload(url, path) for path in sorted(arguments.recordings.iterdir())]
    answer = asyncio.run(_load(url, uploads, arguments.clients, arguments.seconds))
    print(json.dumps(answer))


def _upload(url: str, path: Path) -> Upload:
    uid, cid = ids(path.name)
    request = httpx.Request(
        "POST",
        url,
        data={"uid": uid, "cid": cid},
        files={"audio": (path.name, path.read_bytes(), "application/octet-stream")},
    )
    return Upload(request.read(), {"Content-Type": request.headers["Content-Type"]})


async def _load(url: str, uploads: list[Upload], clients: int, seconds: float) -> dict[str, object]:
    start = time.perf_counter() + _WARM_UP_S
    span = Span(start, start + seconds)
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with (
        httpx.AsyncClient(limits=limits, timeout=_TIMEOUT_S, trust_env=False) as http,
        asyncio.TaskGroup() as tasks,
    ):
        places = [index * len(uploads) // clients for index in range(clients)]
        loops = [
            tasks.create_task(_client(http, url, islice(cycle(uploads), place, None), span.end))
            for place in places
        ]
        cpu_s = tasks.create_task(_cpu_within(span))
    finished = [score for loop in loops for score in loop.result()]
    return {
        "latencies_s": [got - sent for sent, got in finished if span.start <= got < span.end],
        "cpu_s": cpu_s.result(),
        "scores": len(finished),
    }


async def _client(
    http: httpx.AsyncClient, url: str, uploads: Iterable[Upload], end: float
) -> list[tuple[float, float]]:
    """When each request was sent and answered."""
    finished = []
    for upload in uploads:
        sent = time.perf_counter()
        if sent >= end:
            break
        answer = await http.post(url, content=upload.body, headers=upload.headers)
        if answer.status_code != httpx.codes.OK:
            raise RuntimeError(f"The server answered {answer.status_code}: {answer.text}")
        finished.append((sent, time.perf_counter()))
    return finished


async def _cpu_within(span: Span) -> float:
    """CPU seconds that this process takes from the start of the span to its end."""
    await asyncio.sleep(span.start - time.perf_counter())
    before = time.process_time()
    await asyncio.sleep(span.end - time.perf_counter())
    return time.process_time() - before


if __name__ == "__main__":
    main()
