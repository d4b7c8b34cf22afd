"""When tokens are said, by where the decoder attends while it says them.

Some heads of Whisper's cross-attention follow the sound. Their attention, normalised and smoothed,
is walked through by dynamic time warping, as in Whisper's own word timestamps (Radford et al.,
https://github.com/openai/whisper, ``timing.py``, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from scipy.ndimage import median_filter

from audio_score_server.compiled import compiled
from audio_score_server.domain import FloatArray, IntArray
from audio_score_server.runners.whisper.cached_decoder import CachedDecoder, Heads
from audio_score_server.runners.whisper.windowed_encoder import POSITIONS_A_SECOND

_SMOOTHED: Final = 7
"""Positions of the median filter along the time."""


def token_times(
    decoder: CachedDecoder,
    hidden: torch.Tensor,
    prompt: Sequence[int],
    tokens: Sequence[int],
    heads: Heads,
    seconds: float,
) -> FloatArray:
    """When each token begins.

    Args:
        decoder: the decoder.
        hidden: the window as the encoder heard it, ``[positions, width]``.
        prompt: what the transcript started with.
        tokens: of the transcript, at least one.
        heads: layers and heads that attend in time.
        seconds: how long the sound is.

    Returns:
        float32 ``[tokens + 1]``: seconds from the window's beginning; last when all has been said.
    """
    fed = [*prompt, *tokens]
    count = len(fed)
    device = hidden.device
    visible = torch.ones(count, count, dtype=torch.bool, device=device).tril()
    found = decoder.run(
        decoder.cache(hidden[None]),
        torch.tensor([fed], device=device),
        torch.arange(count, device=device)[None],
        visible[None],
        heads,
    )
    assert found.attention is not None
    heard = min(len(hidden), max(1, round(seconds * POSITIONS_A_SECOND)))
    # What is fed last attends to the end of what was said.
    attention = found.attention[0, :, len(prompt) - 1 :, :heard].softmax(dim=2)
    deviation = attention.std(dim=1, keepdim=True, unbiased=False).clamp(min=1e-6)
    scaled = ((attention - attention.mean(dim=1, keepdim=True)) / deviation).cpu().numpy()
    smooth = median_filter(scaled, (1, 1, _SMOOTHED), mode="reflect").mean(axis=0)
    starts = _first_positions(np.ascontiguousarray(-smooth, np.float32))
    return np.asarray(starts, np.float32) / np.float32(POSITIONS_A_SECOND)


@compiled("int64[:](float32[:, ::1])")
def _first_positions(costs: FloatArray) -> IntArray:
    """Where each row of ``costs`` begins on the cheapest monotonic path; ``[rows]``."""
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf, np.float32)
    total[0, 0] = 0.0
    moves = np.zeros((rows + 1, columns + 1), np.int8)
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            diagonal = total[row - 1, column - 1]
            up = total[row - 1, column]
            left = total[row, column - 1]
            best, move = diagonal, 0
            if up < best:
                best, move = up, 1
            if left < best:
                best, move = left, 2
            total[row, column] = costs[row - 1, column - 1] + best
            moves[row, column] = move
    firsts = np.zeros(rows, np.int64)
    at, frame = rows, columns
    while at > 0 and frame > 0:
        firsts[at - 1] = frame - 1
        came = int(moves[at, frame])
        if came != 2:
            at -= 1
        if came != 1:
            frame -= 1
    return firsts
