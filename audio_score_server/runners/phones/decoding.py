"""Reading phones out of the network's log-probabilities."""

from __future__ import annotations

import torch

from audio_score_server.runners.phones.inventory import BLANK, phones_at


def heard_phones(log_probabilities: torch.Tensor) -> tuple[str, ...]:
    """The phones of the likeliest path through ``[frames, 40]`` log-probabilities."""
    best = torch.unique_consecutive(log_probabilities.argmax(dim=-1)).tolist()
    return phones_at(index for index in best if index != BLANK)
