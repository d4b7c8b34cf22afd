"""How likely texts are in a sound, without anything being written: one pass for each."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from audio_score_server.domain import FloatArray
from audio_score_server.runners.whisper.greedy import Passes


def likelihoods(
    passes: Passes,
    prompt: Sequence[int],
    hidden: torch.Tensor,
    drafts: Sequence[Sequence[int]],
    most_rows: int,
) -> list[FloatArray]:
    """Judge several drafts of one part of a recording, as ``greedy.decode`` judges its own.

    Args:
        passes: of the decoder.
        prompt: what its transcript starts with.
        hidden: encoder output ``[positions, width]``.
        drafts: tokens of each.
        most_rows: drafts that are judged at once.

    Returns:
        float32 ``[draft]`` for each: log-probability of its tokens, given the sound and the draft
        before them.
    """
    found: list[FloatArray] = []
    for first in range(0, len(drafts), most_rows):
        rows = [[*prompt, *draft] for draft in drafts[first : first + most_rows]]
        kv_cache = passes.kv_cache(len(rows), len(hidden), max(map(len, rows)))
        kv_cache.audio[: len(rows)] = hidden
        judged = passes(kv_cache, rows, [0] * len(rows), len(prompt) - 1).followed
        found += [
            own[: len(row) - len(prompt)].copy() for own, row in zip(judged, rows, strict=True)
        ]
    return found
