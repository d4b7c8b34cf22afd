"""Words to segments: sentences, and what is between pauses, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from audio_score_server.transcription.words import Segment, TimedWord

_SENTENCE_ENDS: Final = ".?!…。？！؟।"  # noqa: RUF001
_CLOSING: Final = "\"'”’»)]」』"  # noqa: RUF001
_PAUSE_S: Final = 1.0
"""A pause that ends a segment, whatever was said."""
_LONGEST_S: Final = 15.0
"""A longer segment is ended at a comma or at the next short pause; at twice this, anywhere."""
_SHORT_PAUSE_S: Final = 0.25
_COMMAS: Final = ",;:、，；："  # noqa: RUF001
_SHORTEST_S: Final = 1.0
"""A sentence shorter than this and close to the next one stays with it: ``Yes. I do.``"""
_CLOSE_S: Final = 0.3


class Segmenter:
    """Forms the segments of one recording while its words come in."""

    def __init__(self) -> None:
        """Begin with no words."""
        self._open: list[TimedWord] = []

    def feed(self, words: Iterable[TimedWord]) -> Iterator[Segment]:
        """More words, in order; the segments that are complete now."""
        for word in words:
            if self._open and self._ends_before(word):
                yield self._taken()
            self._open.append(word)

    def finish(self) -> Iterator[Segment]:
        """What is left when the recording ends."""
        if self._open:
            yield self._taken()

    def _ends_before(self, word: TimedWord) -> bool:
        last = self._open[-1]
        pause = word.start - last.end
        seconds = last.end - self._open[0].start
        text = last.text.rstrip().rstrip(_CLOSING)
        if pause >= _PAUSE_S or seconds >= 2 * _LONGEST_S:
            return True
        if text.endswith(tuple(_SENTENCE_ENDS)) and not text.endswith(".."):
            return seconds >= _SHORTEST_S or pause >= _CLOSE_S
        breath = pause >= _SHORT_PAUSE_S or text.endswith(tuple(_COMMAS))
        return seconds >= _LONGEST_S and breath

    def _taken(self) -> Segment:
        segment = Segment(tuple(self._open))
        self._open = []
        return segment
