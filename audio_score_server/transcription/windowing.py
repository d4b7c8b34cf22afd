"""A recording cut into windows for a recogniser, in its pauses and without its long silences.

Pure bookkeeping over what a voice activity detector says, a block at a time: never more than one
window and the pause behind it is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from audio_score_server.domain import FloatArray

_SPEECH: Final = 0.5
"""Probability from which on somebody speaks, and ..."""
_NO_SPEECH: Final = 0.35
"""... below which nobody does any more: Silero VAD's own thresholds."""
_PAUSE_S: Final = 0.2
"""Less than this between two sounds is no pause: stops are silent for a tenth of a second."""
_PADDING_S: Final = 0.3
"""Kept around speech: the detector hears weak consonants late and lets them go early."""
_LONGEST_PAUSE_S: Final = 2.0
"""A longer one ends a window: silence costs as much to listen to as speech."""
_SEARCHED: Final = 0.4
"""The last part of a full window in which the cut is looked for."""
_AROUND_S: Final = 0.5
"""A cut is where there is least speech for this long: in the longest pause, if there is one."""
_LEAST_SPEECH_S: Final = 0.15
"""A window with less is a click or a breath, of which a recogniser makes words."""


@dataclass(frozen=True, slots=True)
class Window:
    """As much of a recording as a recogniser hears at once.

    Attributes:
        start: seconds from the recording's beginning.
        samples: float32 ``[samples]``.
        sampling_rate: of them, in Hz.
        speech: start and end of every stretch of speech in it, in seconds from the recording's
            beginning, in order.
        follows: whether it begins where the window before it ended, in the midst of speech.
    """

    start: float
    samples: FloatArray
    sampling_rate: int
    speech: tuple[tuple[float, float], ...]
    follows: bool

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.sampling_rate

    @property
    def end(self) -> float:
        """Seconds from the recording's beginning."""
        return self.start + self.seconds


class Windowing:
    """Cuts one recording."""

    def __init__(
        self, sampling_rate: int, step: int, longest_s: float, whole: bool = False
    ) -> None:
        """Begin a recording.

        Args:
            sampling_rate: of its samples, in Hz.
            step: samples for each probability of the detector.
            longest_s: longest window in seconds.
            whole: whether nothing is left out, whatever the detector says.
        """
        self._rate, self._step = sampling_rate, step
        self._longest = int(longest_s * sampling_rate / step)
        self._whole = whole
        self._samples = np.zeros(0, np.float32)
        self._probabilities = np.zeros(0, np.float32)
        self._first = 0
        """The step that the buffers begin with."""
        self._follows = False

    def feed(self, samples: FloatArray, probabilities: FloatArray) -> Iterator[Window]:
        """Go on.

        Args:
            samples: float32 ``[samples]``, all that has come since the last call.
            probabilities: float32 ``[steps]``, of every whole step that has come since.

        Yields:
            Windows that are complete now, in order.
        """
        self._samples = np.concatenate([self._samples, samples])
        self._probabilities = np.concatenate([self._probabilities, probabilities])
        while (window := self._next(ended=False)) is not None:
            yield window

    def finish(self) -> Iterator[Window]:
        """The windows that are left when the recording ends."""
        while (window := self._next(ended=True)) is not None:
            yield window

    def _next(self, ended: bool) -> Window | None:
        """The next complete window, taken out of the buffers; None where there is none yet."""
        while spans := self._spans():
            start = 0 if self._follows or self._whole else self._padded(spans[0][0])
            group = self._group(spans)
            stop, known = group[-1][1], len(self._probabilities)
            if stop - start > self._longest:
                return self._taken(start, self._cut(start), spans)
            more = known - stop < self._steps(_LONGEST_PAUSE_S) and known - start <= self._longest
            if more and not ended:
                return None
            stop = min(known, stop + self._steps(_PADDING_S), start + self._longest)
            if sum(last - first for first, last in group) >= self._steps(_LEAST_SPEECH_S):
                return self._taken(start, stop, spans)
            self._drop(stop)
            self._follows = False
        # What may belong to a word that is about to begin is kept.
        self._drop(max(0, len(self._probabilities) - self._steps(_PADDING_S)))
        return None

    def _spans(self) -> list[tuple[int, int]]:
        """Stretches of speech in the buffers, in steps; pauses too short to be any left out."""
        if self._whole:
            known = len(self._probabilities)
            return [(0, known)] if known else []
        spoken = _hysteresis(self._probabilities, self._follows)
        edges = np.flatnonzero(np.diff(spoken.astype(np.int8), prepend=0, append=0))
        spans: list[tuple[int, int]] = []
        for first, last in edges.reshape(-1, 2).tolist():
            if spans and first - spans[-1][1] < self._steps(_PAUSE_S):
                spans[-1] = (spans[-1][0], last)
            else:
                spans.append((first, last))
        return spans

    def _group(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The first stretches, up to the first pause that ends a window."""
        longest = self._steps(_LONGEST_PAUSE_S)
        for place in range(1, len(spans)):
            if spans[place][0] - spans[place - 1][1] >= longest:
                return spans[:place]
        return spans

    def _cut(self, start: int) -> int:
        """Where a full window is best cut, in steps."""
        first = start + int(self._longest * (1 - _SEARCHED))
        around = self._steps(_AROUND_S)
        near = self._probabilities[first - around // 2 : start + self._longest + around // 2]
        sums = np.convolve(near, np.ones(around), "valid")
        places = min(len(sums), self._longest - int(self._longest * (1 - _SEARCHED)))
        # On a tie the last one: fewer windows.
        return first + places - 1 - int(sums[:places][::-1].argmin())

    def _taken(self, start: int, stop: int, spans: list[tuple[int, int]]) -> Window:
        samples = self._samples[start * self._step : stop * self._step].copy()
        began = self._seconds(start)
        # As the window itself counts: by another sum the last stretch could end behind it.
        ended = began + len(samples) / self._rate
        speech = tuple(
            (self._seconds(max(first, start)), min(self._seconds(last), ended))
            for first, last in spans
            if first < stop and last > start
        )
        window = Window(began, samples, self._rate, speech, self._follows)
        self._drop(stop)
        self._follows = any(first < stop < last for first, last in spans)
        return window

    def _drop(self, steps: int) -> None:
        self._samples = self._samples[steps * self._step :]
        self._probabilities = self._probabilities[steps:]
        self._first += steps

    def _padded(self, step: int) -> int:
        return max(0, step - self._steps(_PADDING_S))

    def _steps(self, seconds: float) -> int:
        return round(seconds * self._rate / self._step)

    def _seconds(self, step: int) -> float:
        return (self._first + step) * self._step / self._rate


def _hysteresis(probabilities: FloatArray, spoken_before: bool) -> FloatArray:
    """Whether somebody speaks in each step: from the higher threshold to the lower one."""
    state = np.where(probabilities >= _SPEECH, 1, np.where(probabilities < _NO_SPEECH, 0, -1))
    # Between the thresholds all is as it was.
    known = np.where(state >= 0, np.arange(len(state)), -1)
    last = np.maximum.accumulate(known) if len(known) else known
    found = np.where(last >= 0, state[last], int(spoken_before))
    return np.asarray(found == 1)
