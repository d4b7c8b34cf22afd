"""What an index knows between two changes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import BoolArray, IntArray
from audio_score_server.retrieval.postings import Postings
from audio_score_server.retrieval.terms import PhoneTerms

KeyT = TypeVar("KeyT", bound=Hashable)
_OF_LINE: Final = 0.7
"""Weight of what the line has and the recording lacks; the rest is that of the opposite. A learner
says more besides a line than is missing of it: hesitations, and what is heard wrongly."""
_FEWEST_ROWS: Final = 256
_SHARE: Final = 0.25
"""Of the rows, those that are added, or gone, before all are put in order anew: what that costs is
then spread over so many changes."""


@dataclass(frozen=True, slots=True)
class IndexState(Generic[KeyT]):
    """The lines of an index; immutable, so that searches need no lock.

    A row is one way to say a line: as its text has it, say, or as it was heard.

    Attributes:
        keys: of the lines by number; None for those that are gone.
        there: bool ``[lines]``.
        rows: terms of each row.
        owners: int64 ``[rows]``, number of each row's line.
        postings: of groups of rows, in order.
        weights: float64 ``[TERMS]``, inverse document frequency among the rows that are there.
        masses: float64 ``[rows]``, weight of all the terms that a row has.
    """

    keys: tuple[KeyT | None, ...]
    there: BoolArray
    rows: tuple[PhoneTerms, ...]
    owners: IntArray
    postings: tuple[Postings, ...]
    weights: NDArray[np.float64]
    masses: NDArray[np.float64]

    def likeness(self, query: PhoneTerms) -> NDArray[np.float64]:
        """The weighted Tversky index of each line, float64 ``[lines]``; 0 of those gone."""
        common = _joined([each.common(query, self.weights) for each in self.postings])
        mass = float(query.counts @ self.weights[query.ids])
        whole = _OF_LINE * self.masses + (1 - _OF_LINE) * mass
        alike = common / np.maximum(whole, np.finfo(np.float64).tiny)
        best = np.zeros(len(self.keys))
        np.maximum.at(best, self.owners, alike)
        return np.where(self.there, best, 0.0)


def build_state(keys: Sequence[KeyT], ways: Sequence[Sequence[PhoneTerms]]) -> IndexState[KeyT]:
    """Lines in order, with one or more ways to say each."""
    rows = tuple(terms for each in ways for terms in each)
    owners = np.repeat(np.arange(len(keys)), [len(each) for each in ways])
    nothing = np.zeros(0)
    return _weighed(
        IndexState(
            tuple(keys),
            np.ones(len(keys), np.bool_),
            rows,
            owners,
            (Postings.of(rows),),
            nothing,
            nothing,
        )
    )


def with_lines(
    state: IndexState[KeyT], added: Mapping[KeyT, Sequence[PhoneTerms]]
) -> IndexState[KeyT]:
    """The state with further lines, behind the others."""
    rows = tuple(terms for ways in added.values() for terms in ways)
    owners = np.repeat(np.arange(len(added)), [len(ways) for ways in added.values()])
    return _weighed(
        replace(
            state,
            keys=(*state.keys, *added),
            there=np.concatenate([state.there, np.ones(len(added), np.bool_)]),
            rows=(*state.rows, *rows),
            owners=np.concatenate([state.owners, len(state.keys) + owners]),
            postings=(*state.postings, Postings.of(rows)),
        )
    )


def without_lines(state: IndexState[KeyT], gone: Sequence[int]) -> IndexState[KeyT]:
    """The state without the lines of these numbers; to be weighed by a change that follows."""
    there = state.there.copy()
    there[list(gone)] = False
    keys = tuple(
        key if is_there else None for key, is_there in zip(state.keys, there.tolist(), strict=True)
    )
    return replace(state, keys=keys, there=there)


def is_scattered(state: IndexState[KeyT]) -> bool:
    """Whether so much was added, or is gone, that it is time to put all in order."""
    gone = len(state.rows) - int(state.there[state.owners].sum())
    apart = len(state.rows) - state.postings[0].rows
    return gone + apart > max(_FEWEST_ROWS, _SHARE * len(state.rows))


def compacted(state: IndexState[KeyT]) -> IndexState[KeyT]:
    """The same lines without gaps."""
    ways: dict[int, list[PhoneTerms]] = {
        number: [] for number in np.flatnonzero(state.there).tolist()
    }
    for owner, row in zip(state.owners.tolist(), state.rows, strict=True):
        if owner in ways:
            ways[owner].append(row)
    keys = [key for key in state.keys if key is not None]
    return build_state(keys, list(ways.values()))


def _weighed(state: IndexState[KeyT]) -> IndexState[KeyT]:
    """The state with weights and masses as its rows have them."""
    counted = state.there[state.owners]
    parts = np.split(counted, np.cumsum([each.rows for each in state.postings])[:-1])
    frequencies = np.sum(
        [each.frequencies(part) for each, part in zip(state.postings, parts, strict=True)], axis=0
    )
    weights = np.log(1.0 + int(counted.sum()) / np.maximum(frequencies, 1))
    masses = _joined([each.masses(weights) for each in state.postings])
    return replace(state, weights=weights, masses=masses)


def _joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *parts])
