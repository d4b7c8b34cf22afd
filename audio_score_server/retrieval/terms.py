"""What lines are found by: phones, and pairs of phones that are near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import EncoderFeatures, FloatArray, HeardPhone, IntArray
from audio_score_server.language.phones import PHONES, phone_indices

_GAPS: Final = (1, 2, 3)
"""How far apart the two phones of a pair are: of one phone left out, put in or changed, some of the
pairs around it stay."""
_PAIRS: Final = len(PHONES) ** 2
TERMS: Final = len(PHONES) + len(_GAPS) * _PAIRS
"""How many terms there are; each is a number below."""
_LEAST_SHARE: Final = 0.05
"""Phones that are less likely than this where one was heard bring more other lines than right
ones."""


@dataclass(frozen=True, slots=True)
class PhoneTerms:
    """The terms of one line.

    Attributes:
        ids: int64 ``[terms]``, rising, below ``TERMS``.
        counts: float32 ``[terms]``, above zero: how often each is there, or is likely to be.
    """

    ids: IntArray
    counts: FloatArray


def terms_of(phones: Sequence[str]) -> PhoneTerms:
    """The terms of phones that are known.

    Args:
        phones: ARPAbet, in order.

    Raises:
        KeyError: a phone outside the inventory.
    """
    indices = np.array(phone_indices(phones), np.int64) - 1
    found = [indices]
    for number, gap in enumerate(_GAPS):
        pairs = indices[:-gap] * len(PHONES) + indices[gap:]
        found.append(len(PHONES) + number * _PAIRS + pairs)
    ids, counts = np.unique(np.concatenate(found), return_counts=True)
    return PhoneTerms(ids, counts.astype(np.float32))


def likely_terms(features: EncoderFeatures, heard: Sequence[HeardPhone]) -> PhoneTerms:
    """The terms that a recording is likely to have: what was heard, or what it may have been.

    A learner's vowel is often taken for its neighbour: with each phone counting as much as it is
    likely, half as many lines are missed as with those alone that are likeliest.

    Args:
        features: of a phone encoder, the square roots of phone posteriors.
        heard: phones of the likeliest path, with their frames.
    """
    if not heard:
        return PhoneTerms(np.zeros(0, np.int64), np.zeros(0, np.float32))
    shares = np.stack([_shares(features.frames[each.start : each.stop]) for each in heard])
    # Sums of outer products, one for each pair of places.
    pairs = [(shares[:-gap].T @ shares[gap:]).reshape(-1) for gap in _GAPS]
    expected = np.concatenate([shares.sum(axis=0), *pairs])
    ids = np.flatnonzero(expected)
    return PhoneTerms(ids, expected[ids].astype(np.float32))


def _shares(frames: NDArray[np.float32]) -> FloatArray:
    """How likely each phone is where one was heard, float32 ``[phones]``, adding up to one."""
    likely: FloatArray = np.square(frames).mean(axis=0)
    likely = np.where(likely > _LEAST_SHARE, likely, np.float32(0.0))
    total = likely.sum()
    return likely / total if total > 0 else likely
