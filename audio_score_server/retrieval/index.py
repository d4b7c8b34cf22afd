"""An inverted index of lines by their phones, that follows a library as it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

from audio_score_server.retrieval.state import (
    IndexState,
    build_state,
    compacted,
    is_scattered,
    with_lines,
    without_lines,
)
from audio_score_server.retrieval.terms import PhoneTerms

KeyT = TypeVar("KeyT", bound=Hashable)


class PhoneIndex(Generic[KeyT]):
    """Finds the lines that have most in common with a recording; safe to use from several threads.

    The measure is the Tversky index (A. Tversky, 1977): of the terms that recording and line have,
    the share that both have, each term weighing the more the fewer lines have it (inverse document
    frequency). Of several ways to say one line the best counts.
    """

    def __init__(self) -> None:
        """Know no line yet."""
        self._state: IndexState[KeyT] = build_state([], [])
        self._numbers: dict[KeyT, int] = {}
        self._changing = threading.Lock()

    def __len__(self) -> int:
        """How many lines it knows."""
        return len(self._numbers)

    def keys(self) -> Collection[KeyT]:
        """Of the lines that it knows at this moment."""
        return self._numbers.keys()

    def change(
        self, added: Mapping[KeyT, Sequence[PhoneTerms]], removed: Collection[KeyT] = ()
    ) -> None:
        """Learn lines and forget others; searches meanwhile see all of the change or none.

        Args:
            added: for each new line, one or more ways to say it; a line that is known is replaced.
            removed: lines to forget; those that are not known are passed over.
        """
        with self._changing:
            gone = [self._numbers[key] for key in {*removed, *added} if key in self._numbers]
            numbers = {key: number for key, number in self._numbers.items() if key not in removed}
            state = without_lines(self._state, gone)
            numbers |= {key: len(state.keys) + place for place, key in enumerate(added)}
            state = with_lines(state, added)
            if is_scattered(state):
                state = compacted(state)
                numbers = {key: number for number, key in enumerate(state.keys) if key is not None}
            self._state, self._numbers = state, numbers

    def search(
        self, query: PhoneTerms, count: int, among: Callable[[KeyT], bool] | None = None
    ) -> list[tuple[KeyT, float]]:
        """The lines that are most like a recording, the best first.

        Args:
            query: what the recording is likely to say.
            count: most that are wanted.
            among: which lines are looked at; all where left out.

        Returns:
            Each line with its likeness, above 0 and up to 1; fewer where fewer have anything in
            common with the recording.
        """
        state = self._state
        likeness = state.likeness(query)
        found: list[tuple[KeyT, float]] = []
        for number in np.argsort(-likeness, kind="stable").tolist():
            key = state.keys[number]
            if likeness[number] <= 0 or len(found) == count:
                break
            if key is not None and (among is None or among(key)):
                found.append((key, float(likeness[number])))
        return found
