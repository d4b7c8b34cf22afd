"""Subtitles of a transcript, as SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from audio_score_server.transcription.cue_partition import (
    COLUMNS_A_SECOND,
    GAP_S,
    LONGEST_S,
    SHORTEST_S,
    RunWord,
    partition,
)
from audio_score_server.transcription.cue_text import (
    between,
    between_segments,
    columns,
    fitting,
    narrow_columns,
    on_one_line,
    visible,
)
from audio_score_server.transcription.line_breaks import CLAUSE, break_cost
from audio_score_server.transcription.words import Segment, TimedWord

_STAYS_S: Final = 0.5
"""How long a subtitle stays after its last word, where there is room."""
_FRAME_S: Final = 1 / 24
"""Shortest time on the screen of words that have no time of their own."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle.

    Attributes:
        start: seconds from the recording's beginning.
        end: when it leaves the screen; after ``start``, and not after the next one appears.
        lines: one or two, none of them empty.
        words: those it shows. A word that is longer than a line is several here.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    words: tuple[TimedWord, ...]


def cues(segments: Iterable[Segment]) -> Iterator[Cue]:
    """Subtitles by the rules of Netflix and the BBC.

    At most two lines of 42 letters, or 16 Chinese, Japanese or Korean characters; on the screen for
    5/6 s to 7 s, for at most 20 letters a second, wherever the words leave the time.

    A subtitle is of one segment. Only if the next begins before a segment could be seen for 5/6 s,
    the two are divided together. The subtitles of a segment come once it is known when the next one
    begins; no other segments are kept.

    Args:
        segments: in order. Words that show nothing are left out.
    """
    run: list[Segment] = []
    end = 0.0
    for segment in segments:
        words = tuple(word for word in segment.words if visible(on_one_line(word.text)))
        if not words:
            continue
        segment = Segment(words)
        if run and not _too_brief(run, segment):
            for cue in _cues_of_run(run, end, segment.start):
                end = cue.end
                yield cue
            run = []
        run.append(segment)
    if run:
        yield from _cues_of_run(run, end, inf)


def _too_brief(run: Sequence[Segment], following: Segment) -> bool:
    """Whether a run leaves the screen too early if the segment behind it begins a new subtitle."""
    return following.start - GAP_S - run[0].start < SHORTEST_S


@dataclass(frozen=True, slots=True)
class _ShownWord:
    """A word as it is shown.

    Attributes:
        word: with its times.
        text: on one line.
        before: what is between it and the word before it: a space, or nothing.
        break_cost: of a break before it.
    """

    word: TimedWord
    text: str
    before: str
    break_cost: float


def _shown(run: Sequence[Segment], narrow: float) -> Iterator[_ShownWord]:
    """The words of a run, each no longer than a line."""
    previous: TimedWord | None = None
    for segment in run:
        first = True
        for word in (part for each in segment.words for part in fitting(each, narrow)):
            text = on_one_line(word.text)
            if previous is None:
                yield _ShownWord(word, text, "", 0.0)
            else:
                join = between_segments if first else between
                before, pause = join(previous.text, word.text), word.start - previous.end
                cost = break_cost(on_one_line(previous.text), text, bool(before), pause)
                yield _ShownWord(word, text, before, min(cost, CLAUSE) if first else cost)
            previous, first = word, False


def _cues_of_run(run: Sequence[Segment], earliest: float, until: float) -> Iterator[Cue]:
    """The subtitles of a run of segments.

    Args:
        run: at least one segment.
        earliest: when the subtitle before them ends.
        until: when the next segment begins.
    """
    narrow = narrow_columns(word.text for segment in run for word in segment.words)
    shown = list(_shown(run, narrow))
    measured = [
        RunWord(
            columns(each.text, narrow),
            narrow * len(each.before),
            each.break_cost,
            each.word.start,
            each.word.end,
        )
        for each in shown
    ]
    for span in partition(measured, until):
        following = shown[span.stop].word.start if span.stop < len(shown) else until
        parts = (shown[span.first : span.lower], shown[span.lower : span.stop])
        lines = tuple(_line(part) for part in parts if part)
        words = tuple(each.word for part in parts for each in part)
        start = max(earliest, words[0].start)
        width = sum(columns(line, narrow) for line in lines)
        earliest = _end(start, words[-1].end, width, following)
        yield Cue(start, earliest, lines, words)


def _line(words: Sequence[_ShownWord]) -> str:
    return words[0].text + "".join(each.before + each.text for each in words[1:])


def _end(start: float, said: float, width: float, following: float) -> float:
    """When a subtitle leaves the screen.

    Args:
        start: when it appears.
        said: when its last word has been said.
        width: its columns.
        following: when the next word begins.
    """
    wished = max(said + _STAYS_S, start + SHORTEST_S, start + width / COLUMNS_A_SECOND)
    end = max(min(wished, following - GAP_S), min(said, following))
    return max(min(end, start + LONGEST_S), start + _FRAME_S)


def srt(subtitles: Iterable[Cue]) -> Iterator[str]:
    """SubRip, a piece for each subtitle."""
    for number, cue in enumerate(subtitles, 1):
        text = "\n".join(line.replace("-->", "→") for line in cue.lines)
        yield f"{number}\n{_times(cue).replace('.', ',')}\n{text}\n\n"


def vtt(subtitles: Iterable[Cue], word_times: bool = False) -> Iterator[str]:
    """WebVTT, a piece for the head and for each subtitle.

    Args:
        subtitles: in order.
        word_times: whether the time of each word is put before it.
    """
    yield "WEBVTT\n\n"
    for cue in subtitles:
        lines = _timed_lines(cue) if word_times else map(_escaped, cue.lines)
        yield f"{_times(cue)}\n" + "\n".join(lines) + "\n\n"


def _timed_lines(cue: Cue) -> Iterator[str]:
    """The lines of a subtitle with the time before each word that begins after the one before."""
    words, latest, end = iter(cue.words), _milliseconds(cue.start), _milliseconds(cue.end)
    for line in cue.lines:
        pieces, at = list[str](), 0
        while at < len(line):
            word = next(words)
            text, start = on_one_line(word.text), _milliseconds(word.start)
            place = line.index(text, at)
            pieces.append(line[at:place])
            if latest < start < end:
                pieces.append(f"<{_time(start)}>")
                latest = start
            pieces.append(_escaped(text))
            at = place + len(text)
        yield "".join(pieces)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _times(cue: Cue) -> str:
    return f"{_time(_milliseconds(cue.start))} --> {_time(_milliseconds(cue.end))}"


def _milliseconds(seconds: float) -> int:
    return round(max(0.0, seconds) * 1000)


def _time(milliseconds: int) -> str:
    """Hours, minutes, seconds, as WebVTT writes them."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
