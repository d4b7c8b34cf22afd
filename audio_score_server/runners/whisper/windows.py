"""How much one encoder pass hears: pure arithmetic."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, Literal

import numpy as np

from audio_score_server.domain import FloatArray

WindowSetting = float | Literal["auto"]
_STEPS_S: Final = (5.0, 7.0, 9.0, 12.0, 16.0, 22.0)
"""Windows of ``auto`` below the longest: few, so that batches and captured passes share them."""
_SILENCE_S: Final = 3.0
"""Silence behind a sound, without which the decoder does not find its end and runs wild."""
_SEARCHED: Final = 0.4
"""The last part of a window in which the cut is looked for: long enough to hold a pause."""
_SMOOTHED_S: Final = 0.2
"""The quiet is measured over this long, so that no zero crossing is taken for a pause."""


def window_lengths(setting: WindowSetting, longest_s: float) -> tuple[float, ...]:
    """Windows in seconds that a model's passes may have, in ascending order.

    Args:
        setting: ``auto``, or the one length that all have.
        longest_s: what the encoder has positions for.
    """
    if setting != "auto":
        return (min(setting, longest_s),)
    return (*(step for step in _STEPS_S if step < longest_s), longest_s)


def fitting(lengths: tuple[float, ...], seconds: float) -> int:
    """The place of the shortest window for a sound and the silence behind it; else the last."""
    return min(bisect_left(lengths, seconds + _SILENCE_S), len(lengths) - 1)


def cut(samples: FloatArray, sampling_rate: int, longest_s: float, step: int) -> list[slice]:
    """Parts of a recording, none longer than ``longest_s``, cut where it is quietest.

    Args:
        samples: float32 ``[samples]``.
        sampling_rate: samples a second.
        longest_s: longest part in seconds.
        step: cuts fall on multiples of this many samples, so that the parts' frames are the
            recording's.

    Returns:
        Slices that follow each other and cover all samples; one if it is short enough.
    """
    longest = int(longest_s * sampling_rate) // step * step
    starts = [0]
    while len(samples) - starts[-1] > longest:
        start = starts[-1]
        first = start + int(longest * (1 - _SEARCHED)) // step * step
        starts.append(_quietest(samples, first, start + longest, step, sampling_rate))
    return [
        slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(samples)], strict=True)
    ]


def _quietest(samples: FloatArray, first: int, last: int, step: int, sampling_rate: int) -> int:
    """The multiple of ``step`` in ``[first, last]`` with the least energy around it."""
    reach = int(_SMOOTHED_S * sampling_rate / 2)
    energy = np.cumsum(np.square(samples[first - reach : last + reach], dtype=np.float64))
    energy = np.concatenate([np.zeros(1), energy, np.full(2 * reach, energy[-1])])
    places = np.arange(0, last - first + 1, step)
    # On a tie the last one: fewer parts.
    around = energy[places + 2 * reach] - energy[places]
    return first + int(places[len(places) - 1 - int(around[::-1].argmin())])
