"""Drawing of plots, apart from what scores need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from audio_score_server.domain import Score
from audio_score_server.errors import QueueFull
from audio_score_server.pipelines.protocol import Analysis

_CAPACITY: Final = 4
_USUAL_S: Final = 1.0
"""What a plot takes, within a factor of five either way."""


class PlotQueue:
    """A thread that draws one plot at a time, for a few callers.

    A plot of a minute takes seconds of a processor: on the threads that decode recordings, a few
    people who look at plots would hold up everybody's scores.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="plots")
        self._admitted = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Room for one plot, held from before its score is made.

        Raises:
            QueueFull: so many are under way already that another one would wait for long.
        """
        if self._admitted >= _CAPACITY:
            raise QueueFull(self._admitted, self._admitted * _USUAL_S)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def draw(self, score: Score, analysis: Analysis) -> bytes:
        """A recording over against its clip, as SVG; dropped where nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, _draw, score, analysis
        )

    def close(self) -> None:
        """Finish the plot under way; the others are dropped."""
        self._thread.shutdown(cancel_futures=True)


def _draw(score: Score, analysis: Analysis) -> bytes:
    # Imported here: it takes a while, and few servers are asked for plots.
    from audio_score_server.plotting.draw import draw

    return draw(analysis.detail, score, analysis.reference, analysis.recording)
