"""When words are said: what an aligner found, made into times that can be trusted.

Whatever comes in, what goes out is in order, never overlaps, never runs backwards and stays in the
window, and words are where somebody speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from audio_score_server.domain import Alignment
from audio_score_server.transcription.recognition import RecognizedWord
from audio_score_server.transcription.windowing import Window
from audio_score_server.transcription.word_probability import word_probability
from audio_score_server.transcription.words import TimedWord

Times = tuple[float, float] | None
"""Start and end in seconds from a window's beginning; None where nobody knows."""
_ONSET_S: Final = 0.05
"""By how much phones are heard after they begin: the network waits until it is sure."""
_RELEASE_S: Final = 0.05
"""By how much their end is heard before they end."""
_LEAST_S: Final = 0.02
"""No word is shorter."""
_TOLERANCE_S: Final = 0.15
"""How far a word may reach out of what the voice activity detector takes for speech."""
_LONGEST_S: Final = 1.5
"""A word that would be longer has a pause in it, at the end at which it does not begin."""


def times_by_phones(
    phones: Sequence[Sequence[str]], alignment: Alignment, frame_rate_hz: float
) -> list[Times]:
    """When words are said, by the phones that they are made of.

    Args:
        phones: of each word; they are those of the alignment, in order.
        alignment: of all of them with the window.
        frame_rate_hz: of the alignment's frames.
    """
    found: list[Times] = []
    first = 0
    for own in phones:
        places = np.arange(first, first + len(own))
        first += len(own)
        heard = places[alignment.present[places]]
        if len(heard):
            start = float(alignment.starts[heard[0]]) / frame_rate_hz - _ONSET_S
            end = float(alignment.stops[heard[-1]]) / frame_rate_hz + _RELEASE_S
            found.append((start, end))
        else:
            found.append(None)
    return found


def times_by_attention(words: Sequence[RecognizedWord]) -> list[Times]:
    """When words are said, by where the recogniser attended."""
    return [
        None if word.start is None or word.end is None else (word.start, word.end) for word in words
    ]


def timed(
    words: Sequence[RecognizedWord], times: Sequence[Times], window: Window
) -> list[TimedWord]:
    """Words of a window with times in the recording.

    Args:
        words: in order.
        times: of each, as an aligner found them.
        window: where they are.
    """
    spans = [(start - window.start, end - window.start) for start, end in window.speech]
    known = [None if own is None else _in_speech(own, spans) for own in times]
    filled = _interpolated(known, [len(word.text.strip()) for word in words], window.seconds)
    starts = np.maximum.accumulate(np.clip([start for start, _ in filled], 0.0, window.seconds))
    nexts = np.append(starts[1:], window.seconds)
    ends = np.clip([end for _, end in filled], np.minimum(starts + _LEAST_S, nexts), nexts)
    return [
        TimedWord(
            word.text,
            window.start + float(start),
            window.start + float(end),
            word_probability(word.probability),
        )
        for word, start, end in zip(words, starts, ends, strict=True)
    ]


def _in_speech(times: tuple[float, float], spans: Sequence[tuple[float, float]]) -> Times:
    """A word moved, where it reaches far into silence, to the speech that it overlaps most."""
    start, end = times
    overlapping = [span for span in spans if span[0] < end and span[1] > start]
    if overlapping:
        start = max(start, overlapping[0][0] - _TOLERANCE_S)
        end = min(end, overlapping[-1][1] + _TOLERANCE_S)
    return start, max(start + _LEAST_S, min(end, start + _LONGEST_S))


def _interpolated(
    times: Sequence[Times], lengths: Sequence[int], seconds: float
) -> list[tuple[float, float]]:
    """Words of unknown time share what is between their neighbours, by their letters."""
    found: list[tuple[float, float]] = []
    place = 0
    while place < len(times):
        own = times[place]
        if own is not None:
            found.append(own)
            place += 1
            continue
        stop = place
        while stop < len(times) and times[stop] is None:
            stop += 1
        begin = found[-1][1] if found else 0.0
        after = times[stop] if stop < len(times) else None
        end = max(begin, seconds if after is None else after[0])
        shares = np.cumsum([0, *(max(1, length) for length in lengths[place:stop])])
        bounds = begin + (end - begin) * shares / shares[-1]
        found += [(float(begin), float(end)) for begin, end in pairwise(bounds)]
        place = stop
    return found
