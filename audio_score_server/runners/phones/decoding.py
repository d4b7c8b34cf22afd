"""Reading phones out of the network's log-probabilities."""

from __future__ import annotations

import torch

from audio_score_server.domain import HeardPhone
from audio_score_server.language.phones import BLANK, phones_at


def heard_phones(log_probabilities: torch.Tensor) -> tuple[HeardPhone, ...]:
    """The phones of the likeliest path through ``[frames, 40]`` log-probabilities."""
    best, counts = torch.unique_consecutive(log_probabilities.argmax(dim=-1), return_counts=True)
    stops = counts.cumsum(0)
    runs = zip(best.tolist(), (stops - counts).tolist(), stops.tolist(), strict=True)
    return tuple(
        HeardPhone(phones_at([index])[0], start, stop)
        for index, start, stop in runs
        if index != BLANK
    )
