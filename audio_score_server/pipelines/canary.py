"""A known recording whose score must not change: tells of a device that computes nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from audio_score_server.domain import Score
from audio_score_server.errors import NotReady

_TOLERANCE: Final = 0.02
"""In half precision a score depends a little on what the recording is batched with."""
_PATIENCE_S: Final = 60.0
_GIVEN_UP_AFTER: Final = 3
_GIVEN_UP_S: Final = 120.0
"""Both must be reached: neither one slow canary nor a minute's trouble is the end of a model."""


class Canary:
    """Scores one recording again and again through the whole path."""

    def __init__(self, sing: Callable[[], Awaitable[Score]], progress: Callable[[], int]) -> None:
        """Start from what is known to be well.

        Args:
            sing: scores the recording.
            progress: grows whenever the device has done something.
        """
        self._sing = sing
        self._progress = progress
        self._known: Score | None = None

    async def learn(self) -> None:
        """Remember the score, as the model is known to be well.

        Raises:
            Exception: whatever keeps the recording from being scored.
        """
        self._known = await self._sing()

    async def ailment(self) -> str | None:
        """What is wrong with the model; None while it is well, busy or not being watched."""
        if self._known is None:
            return None
        before = self._progress()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                score = await self._sing()
        except TimeoutError:
            stuck = self._progress() == before
            return f"its device has done nothing for {_PATIENCE_S:.0f} s" if stuck else None
        except NotReady:
            return None
        except Exception as error:
            return f"a known recording can no longer be scored: {error}"
        return _difference(score, self._known)


class Endurance:
    """Tells a model that is not well for a while from one that will not get well again."""

    def __init__(self) -> None:
        """Begin with a model that is well."""
        self._failures = 0
        self._since = 0.0

    def hear(self, ailment: str | None, now: float) -> str | None:
        """Why the model is to be given up; None while it is not.

        Args:
            ailment: what its canary says.
            now: seconds on a clock that never jumps.
        """
        if ailment is None:
            self._failures = 0
            return None
        if not self._failures:
            self._since = now
        self._failures += 1
        lasted_s = now - self._since
        if self._failures < _GIVEN_UP_AFTER or lasted_s < _GIVEN_UP_S:
            return None
        return f"not well for {lasted_s:.0f} s and {self._failures} times in a row: {ailment}"


def _difference(score: Score, known: Score) -> str | None:
    changes = abs(score.audio - known.audio), abs(score.text - known.text)
    # Asked for what is well: what is no number is within no tolerance.
    if all(change <= _TOLERANCE for change in changes):
        return None
    return (
        f"a known recording scored {known.audio:.3f} and {known.text:.3f} at start and now "
        f"scores {score.audio:.3f} and {score.text:.3f}"
    )
