"""Whether the models are healthy, asked again and again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from audio_score_server.pipelines.canary import FailureTracker
from audio_score_server.pipelines.protocol import Model

_LOG = logging.getLogger(__name__)


class HealthMonitor:
    """Asks every model whether it is healthy, and gives one up that will not recover."""

    def __init__(
        self,
        models: Callable[[], Sequence[Model]],
        is_needed: Callable[[], bool],
        interval_s: float,
        on_given_up: Callable[[str, str], None],
    ) -> None:
        """Make a monitor; ``run`` starts it.

        Args:
            models: those to be asked, each time.
            is_needed: whether to go on: not while the server stops.
            interval_s: from one time to the next.
            on_given_up: called with a model's key and the reason.
        """
        self.error: str | None = None
        """What is wrong with some model; None while all are healthy."""
        self._models = models
        self._is_needed = is_needed
        self._interval_s = interval_s
        self._on_given_up = on_given_up
        self._trackers: dict[str, FailureTracker] = {}

    async def run(self) -> None:
        """Until it is cancelled, or needed no more."""
        while self._is_needed():
            await asyncio.sleep(self._interval_s)
            errors = {model.key: await model.health_error() for model in self._models()}
            self._report(errors)
            for key, error in errors.items():
                tracker = self._trackers.setdefault(key, FailureTracker())
                reason = tracker.observe(error, time.monotonic())
                if reason is not None:
                    self._on_given_up(key, reason)

    def _report(self, errors: Mapping[str, str | None]) -> None:
        """Log a change; readiness probes read what is kept."""
        unhealthy = [f"model {key}: {error}" for key, error in errors.items() if error is not None]
        error = "; ".join(unhealthy) or None
        if error != self.error:
            _LOG.error("Not ready: %s.", error) if error else _LOG.info("Healthy.")
        self.error = error
