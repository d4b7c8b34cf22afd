"""How far a long piece of work has come, in words."""

from __future__ import annotations

from typing import Final

_INTERVAL_S: Final = 2.0


class Progress:
    """Counts clips and says now and then how many are done, how fast, and how long it will take."""

    def __init__(self, name: str, total: int, now: float) -> None:
        self._name, self._total = name, total
        self._started = self._reported_at = now
        self._done = self._elsewhere = 0

    def done(self, here: bool, now: float) -> str | None:
        """Count one more, encoded here or by another worker meanwhile.

        Returns:
            A line to show when it is time for one; always after the last.
        """
        self._done += 1
        self._elsewhere += not here
        last = self._done == self._total
        if not last and now - self._reported_at < _INTERVAL_S:
            return None
        self._reported_at = now
        rate = self._done / max(now - self._started, 1e-6)
        line = f"{self._name}: {self._done} of {self._total} clips encoded, {rate:.1f} a second"
        if self._elsewhere:
            line += f", {self._elsewhere} by other workers"
        if not last:
            line += f", {_duration((self._total - self._done) / rate)} left"
        return line + "."


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
