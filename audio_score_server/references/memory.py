"""References in memory, the least recently used ones leaving when there are too many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from audio_score_server.domain import Reference
from audio_score_server.library.clip import VersionKey


class ReferenceMemory:
    """A bounded map from a version of a clip to its reference; safe to use from several threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[VersionKey, Reference] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: VersionKey) -> Reference | None:
        """The reference if it is here; it counts as used."""
        with self._lock:
            reference = self._kept.get(key)
            if reference is not None:
                self._kept.move_to_end(key)
            return reference

    def put(self, key: VersionKey, reference: Reference) -> None:
        """Keep a reference, dropping others until the limit holds; the newest always stays."""
        with self._lock:
            self._drop(key)
            self._kept[key] = reference
            self._bytes += _size(reference)
            while self._bytes > self._limit and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: VersionKey) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._bytes -= _size(dropped)


def _size(reference: Reference) -> int:
    features, contours = reference.features, reference.contours
    drawn = (contours.pitch_hz, contours.level_db, contours.lows, contours.highs)
    return sum(values.nbytes for values in (features.frames, features.speech, *drawn))
