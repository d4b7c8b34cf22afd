"""Guessing how a transcript goes on, from a draft of it: pure bookkeeping.

A draft is what the speaker is expected to say. The decoder verifies many guessed tokens in one pass
(speculative decoding: Leviathan et al., 2023; with a given draft: Yang et al., "Inference with
Reference", 2023), so a good guess saves passes; a bad one costs a little width, never the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

_NEAR: Final = 4
"""How far to guess after a guess that failed."""
_GROWTH: Final = 4
"""By how much further after one that held."""
_SIGHT: Final = 8
"""How far around the expected place a token of the transcript is looked for in the draft."""
_PATIENCE: Final = 2
"""Tokens in a row that may each stand for one of the draft's before guessing rests."""


class Draft:
    """Follows a transcript along its draft."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = list(tokens)
        self._verified = 0
        """Tokens of the draft up to here are behind the transcript."""
        self._strange = 0
        """Tokens of the transcript since then that are not the draft's."""
        self._next = 0
        """Where the guess starts."""
        self._reach = len(self._tokens)

    def guess(self, most: int) -> list[int]:
        """What may come next; at most so many tokens, none where nothing is to be expected."""
        return self._tokens[self._next : self._next + min(self._reach, most)]

    def follow(self, guessed: int, held: int, own: int) -> None:
        """Learn what became of a guess.

        Args:
            guessed: its length.
            held: how many tokens of it are the transcript's, from its start.
            own: the token that the transcript has next.
        """
        if held:
            self._verified = self._next + held
            self._strange = 0
        self._reach = _GROWTH * max(self._reach, 1) if guessed and held == guessed else _NEAR
        found = self._nearest(own)
        if found is not None:
            self._next = found + 1
            return
        self._strange += 1
        patient = self._strange <= _PATIENCE
        self._next = self._verified + self._strange if patient else len(self._tokens)

    def _nearest(self, token: int) -> int | None:
        """Where the draft has a token, nearest to where it is expected."""
        expected = self._verified + self._strange
        first = max(self._verified, expected - _SIGHT)
        places = [
            place
            for place in range(first, min(len(self._tokens), expected + _SIGHT))
            if self._tokens[place] == token
        ]
        return min(places, key=lambda place: abs(place - expected), default=None)


def covered_by(draft: Sequence[int], said: Sequence[int]) -> int:
    """How many tokens of a draft a transcript of its beginning covers.

    The prefix of the draft with the least edit distance to the transcript; the longest on a tie.
    """
    distances = np.arange(len(draft) + 1)
    for row, token in enumerate(said, start=1):
        changed = distances[:-1] + (np.asarray(draft) != token)
        best = np.minimum(distances + 1, np.concatenate([[row], changed]))
        # Tokens that the transcript leaves out: each costs one more than its neighbour to the left.
        offsets = np.arange(len(best))
        distances = np.minimum.accumulate(best - offsets) + offsets
    return len(distances) - 1 - int(distances[::-1].argmin())
