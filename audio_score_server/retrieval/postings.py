"""Which lines have a term, for every term: a sparse matrix, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import BoolArray, FloatArray, IntArray
from audio_score_server.retrieval.terms import TERMS, PhoneTerms


@dataclass(frozen=True, slots=True)
class Postings:
    """Terms and the rows that have them; every term's rows stand together, in order.

    Attributes:
        rows: how many there are.
        starts: int64 ``[TERMS + 1]``: where each term's entries begin, and last where all end.
        row_of: int32 ``[entries]``.
        counts: float32 ``[entries]``, how often the row has the term.
    """

    rows: int
    starts: IntArray
    row_of: IntArray
    counts: FloatArray

    @classmethod
    def of(cls, rows: Sequence[PhoneTerms]) -> Postings:
        """Those of some rows."""
        lengths = [len(row.ids) for row in rows]
        ids = np.concatenate([np.zeros(0, np.int64), *(row.ids for row in rows)])
        counts = np.concatenate([np.zeros(0, np.float32), *(row.counts for row in rows)])
        row_of = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        order = np.argsort(ids, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(ids, minlength=TERMS))])
        return cls(len(rows), starts, row_of[order], counts[order])

    def frequencies(self, counted: BoolArray) -> IntArray:
        """In how many of the rows that count each term is, int64 ``[TERMS]``.

        Args:
            counted: bool ``[rows]``.
        """
        sums = np.concatenate([[0], np.cumsum(counted[self.row_of])])
        return np.diff(sums[self.starts])

    def common(self, query: PhoneTerms, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weight of what each row has in common with a query, float64 ``[rows]``.

        Args:
            query: its terms.
            weights: float64 ``[TERMS]``, of each term.
        """
        starts = self.starts[query.ids]
        lengths = self.starts[query.ids + 1] - starts
        # Of all entries of the query's terms, where they are.
        ends = np.cumsum(lengths)
        places = np.arange(int(lengths.sum())) + np.repeat(starts - ends + lengths, lengths)
        shared = np.minimum(self.counts[places], np.repeat(query.counts, lengths))
        weighed = shared * np.repeat(weights[query.ids], lengths)
        return _summed(self.row_of[places], weighed, self.rows)

    def masses(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weight of all that each row has, float64 ``[rows]``."""
        weighed = self.counts * np.repeat(weights, np.diff(self.starts))
        return _summed(self.row_of, weighed, self.rows)


def _summed(row_of: IntArray, weighed: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """What the entries of each row add up to."""
    return np.bincount(row_of, weighed, minlength=rows).astype(np.float64)
