"""Where the expected phones are in a recording, and how well the sound bears them out.

Connectionist temporal classification aligned by Viterbi search, with one move more than usual: an
expected phone may be skipped at a fixed cost. A recording of half a line then keeps the half that
it has, where a forced alignment would have to squeeze the rest in somewhere and spoil both.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from audio_score_server.compiled import compiled
from audio_score_server.domain import (
    WORTHLESS_NATS,
    Alignment,
    BoolArray,
    FloatArray,
    HeardPhone,
    IntArray,
)
from audio_score_server.language.phones import BLANK, phone_indices

_UNEXPECTED_NATS: Final = 1.5
"""Most that a frame of unexpected sound costs: an unexpected phone then costs about as much as an
expected one that is missing, so that twice the line is worth as much as half of it."""
_SKIPPED: Final = -1


def align(
    log_probabilities: torch.Tensor, phones: tuple[str, ...], heard: tuple[HeardPhone, ...]
) -> Alignment:
    """Align expected phones with a recording.

    Args:
        log_probabilities: float32 ``[frames, 40]``, at least one frame.
        phones: ARPAbet, at least one.
        heard: phones of the likeliest path of all.
    """
    likeliest = log_probabilities.amax(dim=1, keepdim=True)
    losses = np.ascontiguousarray((likeliest - log_probabilities).numpy())
    losses[:, BLANK] = np.minimum(losses[:, BLANK], _UNEXPECTED_NATS)
    labels = np.array(phone_indices(phones), np.int64)
    path = _likeliest_path(losses, labels, WORTHLESS_NATS)
    index, spoken = path // 2, path % 2 == 1
    labels_heard = np.where(spoken, labels[np.minimum(index, len(labels) - 1)], BLANK)
    frame_losses = losses[np.arange(len(path)), labels_heard]
    return _alignment(index, spoken, frame_losses, len(labels), heard)


def _alignment(
    index: IntArray,
    spoken: BoolArray,
    frame_losses: FloatArray,
    count: int,
    heard_phones: tuple[HeardPhone, ...],
) -> Alignment:
    """Sum up a path: for each frame the phone it is at or after, whether it is at it, its loss."""
    heard, first, frames = np.unique(index[spoken], return_index=True, return_counts=True)
    present = np.zeros(count, np.bool_)
    starts, stops = np.zeros(count, np.int64), np.zeros(count, np.int64)
    present[heard] = True
    starts[heard] = np.flatnonzero(spoken)[first]
    stops[heard] = starts[heard] + frames
    # What comes before the first phone weighs on that phone.
    owners = np.maximum.accumulate(np.where(spoken, index, heard[0] if len(heard) else 0))
    costs = np.bincount(owners, frame_losses, minlength=count)
    costs = costs + np.where(present, 0.0, WORTHLESS_NATS)
    return Alignment(present, starts, stops, np.exp(-costs).astype(np.float32), heard_phones)


@compiled("int32[:](float32[:, ::1], int64[::1], float64)")
def _likeliest_path(losses: FloatArray, labels: IntArray, skip: float) -> IntArray:
    """State of the cheapest path in each frame.

    Odd states are the phones in order, even ones the blanks around them. A skip takes no frame: it
    leads from the blank before a phone to the blank after it.
    """
    frames, states = len(losses), 2 * len(labels) + 1
    origins = np.empty((frames, states), np.int32)
    costs = np.full(states, np.inf)
    costs[::2] = np.arange(len(labels) + 1) * skip
    for frame in range(frames):
        before = costs.copy()
        for state in range(states):
            label = labels[state // 2] if state % 2 else BLANK
            origin = state
            if state > 0 and before[state - 1] < before[origin]:
                origin = state - 1
            if state % 2 and state > 1 and label != labels[state // 2 - 1]:
                origin = state - 2 if before[state - 2] < before[origin] else origin
            costs[state] = before[origin] + losses[frame, label]
            if state % 2 == 0 and state > 0 and costs[state - 2] + skip < costs[state]:
                costs[state] = costs[state - 2] + skip
                origin = _SKIPPED
            origins[frame, state] = origin
    # Phones still to come when the recording ends are skipped.
    remaining = len(labels) - (np.arange(states) + 1) // 2
    state = int(np.argmin(costs + remaining * skip))
    path = np.empty(frames, np.int32)
    for frame in range(frames - 1, -1, -1):
        while origins[frame, state] == _SKIPPED:
            state -= 2
        path[frame] = state
        state = origins[frame, state]
    return path
