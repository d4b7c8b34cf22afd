"""How far a request got on its path, and how long it spent at each stage."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from audio_score_server.errors import RequestTimeout

Stage = Literal["receive", "decode", "queue", "device", "phones", "search", "score", "plot"]
STAGES: Final[tuple[Stage, ...]] = ("receive", "decode", "queue", "device", "score")
"""Those of every score, in the order of the path; ``device`` includes what a remote model takes.
Beside it, ``phones`` is the phone encoder's pass for another model, its queue included, and
``search`` what it takes to find, in a library, the clips that a recording may say."""


@dataclass(frozen=True, slots=True)
class StageTiming:
    """One stage of one request.

    Attributes:
        stage: which.
        started: on the monotonic clock, in seconds.
        seconds: how long.
    """

    stage: Stage
    started: float
    seconds: float


class Stages:
    """The stages of one request as they are passed."""

    def __init__(self) -> None:
        self.arrived = time.monotonic()
        self.spans: list[StageTiming] = []
        self.audio_s: float | None = None
        """Seconds of sound in the recording, once it is decoded."""
        self.deadline = math.inf
        """When the client stops waiting, on the monotonic clock."""
        self.model = ""
        """Key of the model that the request got to."""

    def allow(self, limit_s: float, asked_s: float | None) -> None:
        """Set the deadline: the server's limit, or what the client asks for where that is less.

        Args:
            limit_s: from the request's arrival.
            asked_s: likewise; None for as long as the server allows.
        """
        self.deadline = self.arrived + min(limit_s, asked_s or limit_s)

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        """What happens inside belongs to the stage, also if it fails."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.add(stage, started, time.monotonic() - started)

    def add(self, stage: Stage, started: float, seconds: float) -> None:
        """A stage measured elsewhere."""
        self.spans.append(StageTiming(stage, started, seconds))

    @asynccontextmanager
    async def within_deadline(self) -> AsyncIterator[None]:
        """What happens inside ends at the deadline.

        Raises:
            RequestTimeout: it has passed.
        """
        try:
            async with asyncio.timeout(self.deadline - time.monotonic()) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            allowed_s = self.deadline - self.arrived
            raise RequestTimeout(
                f"The request was not done within {allowed_s:g} s. Try again later, or allow more."
            ) from None
