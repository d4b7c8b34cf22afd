"""Reading phones out of the network's log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torchaudio.functional import forced_align

from audio_score_server.domain import FloatArray, IntArray
from audio_score_server.runners.phones.inventory import BLANK, phone_indices, phones_at


def heard_phones(log_probabilities: torch.Tensor) -> tuple[str, ...]:
    """The phones of the likeliest path through ``[frames, 40]`` log-probabilities."""
    best = torch.unique_consecutive(log_probabilities.argmax(dim=-1)).tolist()
    return phones_at(index for index in best if index != BLANK)


@dataclass(frozen=True, slots=True)
class AlignedPhone:
    """Where an expected phone was said, and how well the sound bears it out.

    Attributes:
        phone: ARPAbet.
        start: first frame.
        stop: frame after the last.
        evidence: from 0 to 1, the likelihood of the expected path over that of the likeliest path
            of all, from this phone's start to the next one's. Sounds that nobody expected weigh on
            the phone before them.
    """

    phone: str
    start: int
    stop: int
    evidence: float


def align(log_probabilities: torch.Tensor, phones: tuple[str, ...]) -> list[AlignedPhone]:
    """Where each expected phone is on the likeliest path that says exactly these phones.

    The evidence is a goodness of pronunciation (Witt and Young, 2000) on CTC posteriors.

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
    losses = log_probabilities.amax(dim=1) - scores[0]
    return _aligned(phones, _runs(path[0].numpy()), losses.numpy())


def _runs(path: IntArray) -> list[tuple[int, int]]:
    """Where the path stays on one phone, blanks left out: an expected phone each."""
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1)).tolist()
    return [(start, stop) for start, stop in pairwise(edges) if path[start] != BLANK]


def _aligned(
    phones: tuple[str, ...], runs: list[tuple[int, int]], losses: FloatArray
) -> list[AlignedPhone]:
    owned = [0, *(start for start, _ in runs[1:])]
    evidence = np.exp(-np.add.reduceat(losses, owned))
    return [
        AlignedPhone(phone, start, stop, float(share))
        for phone, (start, stop), share in zip(phones, runs, evidence, strict=True)
    ]
