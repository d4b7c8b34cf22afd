"""Reading phones out of the network's log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torchaudio.functional import forced_align

from audio_score_server.domain import FloatArray
from audio_score_server.runners.phones.inventory import BLANK, phone_indices, phones_at


def heard_phones(log_probabilities: torch.Tensor) -> tuple[str, ...]:
    """The phones of the likeliest path through ``[frames, 40]`` log-probabilities."""
    best = torch.unique_consecutive(log_probabilities.argmax(dim=-1)).tolist()
    return phones_at(index for index in best if index != BLANK)


@dataclass(frozen=True, slots=True)
class AlignedPhone:
    """Where an expected phone was said, and how clearly.

    Attributes:
        phone: ARPAbet.
        start: first frame.
        stop: frame after the last.
        evidence: from 0 to 1, the phone's mean probability in its frames.
    """

    phone: str
    start: int
    stop: int
    evidence: float


def align(log_probabilities: torch.Tensor, phones: tuple[str, ...]) -> list[AlignedPhone]:
    """Where each expected phone is on the likeliest path that says exactly these phones.

    Args:
        log_probabilities: float32 ``[frames, 40]``.
        phones: ARPAbet.

    Returns:
        One entry a phone, in order; none at all where the frames are too few for the phones.
    """
    targets = phone_indices(phones)
    repeats = sum(left == right for left, right in pairwise(targets))
    if not targets or len(log_probabilities) < len(targets) + repeats:
        return []
    path, scores = forced_align(
        log_probabilities[None].contiguous(), torch.tensor([targets]), blank=BLANK
    )
    return _spans(path[0].numpy(), scores[0].exp().numpy(), phones)


def _spans(
    path: np.ndarray, probabilities: FloatArray, phones: tuple[str, ...]
) -> list[AlignedPhone]:
    """Runs of one phone on the path, each an expected phone in turn."""
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    runs = [(start, stop) for start, stop in pairwise(edges) if path[start] != BLANK]
    return [
        AlignedPhone(phone, int(start), int(stop), float(probabilities[start:stop].mean()))
        for phone, (start, stop) in zip(phones, runs, strict=True)
    ]
