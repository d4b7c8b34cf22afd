"""A server that measures its event loop; run as a module, it is that server.

A task of the loop sleeps again and again; how much too late it wakes is how long the loop was at
something else. At its end the server prints each late waking: when it was (on the monotonic clock),
how late, how long the loop's thread then waited for a processor, and how long it computed; seconds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server import cli
from audio_score_server.serving import server
from tests.process.server import ROOT, ServerProcess, clean_environment

_SLEEP_S: Final = 0.001
_WORTH_TELLING_S: Final = 0.002


@dataclass(frozen=True)
class Stall:
    """One late waking, in seconds."""

    when: float
    late: float
    preempted: float
    computed: float

    @property
    def own(self) -> float:
        """How late without what other processes took."""
        return self.late - self.preempted


class TickingServer(ServerProcess):
    """Such a server."""

    def stalls(self) -> list[Stall]:
        """Every late waking; the server has ended then."""
        self.process.terminate()
        assert self.process.stdout is not None
        stalls = [Stall(*each) for each in json.loads(self.process.stdout.read())]
        assert self.wait() == 0
        return stalls


@contextmanager
def ticking(config: str, **variables: str) -> Iterator[TickingServer]:
    """Such a server, ready; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, "--config", config, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=clean_environment(variables),
    )
    ticking_server = TickingServer(process)
    try:
        ticking_server.wait_until_ready()
        yield ticking_server
    finally:
        ticking_server.kill()


class _Ticking(server._Server):
    async def main_loop(self) -> None:
        stalls: list[tuple[float, ...]] = []
        ticker = asyncio.create_task(_tick(stalls))
        await super().main_loop()
        ticker.cancel()
        print(json.dumps(stalls), flush=True)  # noqa: T201


async def _tick(stalls: list[tuple[float, ...]]) -> None:
    while True:
        before = _clocks()
        await asyncio.sleep(_SLEEP_S)
        after = _clocks()
        passed, preempted, computed = (b - a for a, b in zip(before, after, strict=True))
        if passed - _SLEEP_S > _WORTH_TELLING_S:
            stalls.append((after[0], passed - _SLEEP_S, preempted, computed))


def _clocks() -> tuple[float, float, float]:
    """Time, and how long this thread has waited for a processor and computed, in seconds."""
    waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    return time.monotonic(), waited, time.thread_time()


if __name__ == "__main__":
    server._Server = _Ticking  # type: ignore[misc]
    sys.exit(cli.main(Path("config.json"), sys.argv[1:]))
