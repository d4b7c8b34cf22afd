"""References in memory, the least recently used ones leaving when there are too many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from audio_score_server.domain import Reference
from audio_score_server.references.library import ClipId


class ReferenceMemory:
    """A bounded map from clip to reference; safe to use from several threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[ClipId, Reference] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, clip_id: ClipId) -> Reference | None:
        """The reference if it is here; it counts as used."""
        with self._lock:
            reference = self._kept.get(clip_id)
            if reference is not None:
                self._kept.move_to_end(clip_id)
            return reference

    def put(self, clip_id: ClipId, reference: Reference) -> None:
        """Keep a reference, dropping others until the limit holds; the newest always stays."""
        with self._lock:
            self._drop(clip_id)
            self._kept[clip_id] = reference
            self._bytes += _size(reference)
            while self._bytes > self._limit and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def _drop(self, clip_id: ClipId) -> None:
        dropped = self._kept.pop(clip_id, None)
        if dropped is not None:
            self._bytes -= _size(dropped)


def _size(reference: Reference) -> int:
    features, contours = reference.features, reference.contours
    drawn = (contours.pitch_hz, contours.level_db, contours.lows, contours.highs)
    return sum(values.nbytes for values in (features.frames, features.speech, *drawn))
