"""A known recording whose score must not change: tells of a device that computes nonsense."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from audio_score_server.domain import Score
from audio_score_server.errors import AudioScoreError, NotReady
from audio_score_server.library.clip import Clip

_LOG = logging.getLogger(__name__)
_CANDIDATES: Final = 5
"""Clips that are tried before a model goes without a canary."""
_TOLERANCE: Final = 0.02
"""In half precision a score depends a little on what the recording is batched with."""
_PATIENCE_S: Final = 60.0
_GIVEN_UP_AFTER: Final = 3
_GIVEN_UP_S: Final = 120.0
"""Both must be reached: neither one slow canary nor a minute's trouble is the end of a model."""


class Canary:
    """Scores one recording again and again through the whole path."""

    def __init__(self, probe: Callable[[], Awaitable[Score]], progress: Callable[[], int]) -> None:
        """Start from what is known to be well.

        Args:
            probe: scores the recording.
            progress: grows whenever the device has done something.
        """
        self._probe = probe
        self._progress = progress
        self._baseline: Score | None = None

    async def record_baseline(self) -> None:
        """Remember the score, as the model is known to be well.

        Raises:
            Exception: whatever keeps the recording from being scored.
        """
        self._baseline = await self._probe()

    async def health_error(self) -> str | None:
        """What is wrong with the model; None while it is well, busy or not being watched."""
        if self._baseline is None:
            return None
        before = self._progress()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                score = await self._probe()
        except TimeoutError:
            stuck = self._progress() == before
            return f"its device has done nothing for {_PATIENCE_S:.0f} s" if stuck else None
        except NotReady:
            return None
        except Exception as error:
            return f"a known recording can no longer be scored: {error}"
        return _difference(score, self._baseline)


async def find_canary(
    key: str, clips: Sequence[Clip], make: Callable[[Clip], Awaitable[Canary]]
) -> Canary | None:
    """A canary of the clip that is read fastest; an odd clip costs only itself.

    Args:
        key: the model's.
        clips: that it can encode.
        make: a canary of a clip, its baseline recorded.

    Raises:
        NotReady: the model is being closed, or its device has failed.
    """
    for clip in sorted(clips, key=lambda clip: clip.size)[:_CANDIDATES]:
        try:
            return await make(clip)
        except NotReady:
            raise
        except (AudioScoreError, OSError) as error:
            _LOG.warning("Model %s: %s is no canary: %s", key, clip.name, error)
    return None


class FailureTracker:
    """Tells a model that is unhealthy for a while from one that will not recover."""

    def __init__(self) -> None:
        """Begin with a model that is well."""
        self._failures = 0
        self._since = 0.0

    def observe(self, health_error: str | None, now: float) -> str | None:
        """Why the model is to be given up; None while it is not.

        Args:
            health_error: what its canary says.
            now: seconds on a clock that never jumps.
        """
        if health_error is None:
            self._failures = 0
            return None
        if not self._failures:
            self._since = now
        self._failures += 1
        lasted_s = now - self._since
        if self._failures < _GIVEN_UP_AFTER or lasted_s < _GIVEN_UP_S:
            return None
        return f"unhealthy for {lasted_s:.0f} s and {self._failures} times in a row: {health_error}"


def _difference(score: Score, baseline: Score) -> str | None:
    changes = abs(score.audio - baseline.audio), abs(score.text - baseline.text)
    # Asked for what is well: what is no number is within no tolerance.
    if all(change <= _TOLERANCE for change in changes):
        return None
    return (
        f"a known recording scored {baseline.audio:.3f} and {baseline.text:.3f} at start and now "
        f"scores {score.audio:.3f} and {score.text:.3f}"
    )
