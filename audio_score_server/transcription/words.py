"""What a transcript with times is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a recording.

    Attributes:
        text: as it is written, punctuation attached and with the space before it, if there is one:
            the words of a transcript joined are its text.
        start: seconds from the recording's beginning.
        end: of its sound; not before ``start``.
        probability: that it is said, from 0 to 1.
    """

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a transcript, such as a sentence.

    Attributes:
        words: at least one, in order; none begins before the one before it has ended.
    """

    words: tuple[TimedWord, ...]

    @property
    def start(self) -> float:
        """Seconds from the recording's beginning."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds from the recording's beginning."""
        return self.words[-1].end

    @property
    def text(self) -> str:
        """As it is written, without spaces around it."""
        return joined(self.words)


@dataclass(frozen=True, slots=True)
class TimedTranscript:
    """What a recording says, and when.

    Attributes:
        segments: in order.
        language: code.
        seconds: how long the recording is.
    """

    segments: tuple[Segment, ...]
    language: str
    seconds: float

    @property
    def text(self) -> str:
        """All of it, without spaces around it."""
        return joined(words_of(self.segments))


def joined(words: Iterable[TimedWord]) -> str:
    """The text of words, without spaces around it."""
    return "".join(word.text for word in words).strip()


def words_of(segments: Iterable[Segment]) -> Sequence[TimedWord]:
    """Every word of several segments, in order."""
    return [word for segment in segments for word in segment.words]
