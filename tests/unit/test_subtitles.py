from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.transcription.cue_text import on_one_line
from audio_score_server.transcription.line_breaks import break_cost
from audio_score_server.transcription.subtitles import Cue, cues, srt, vtt
from audio_score_server.transcription.words import Segment, TimedWord, joined, words_of

_GAP_S = 2 / 24
_NEAR = 1e-6
_GETTYSBURG = (
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, "
    "conceived in Liberty, and dedicated to the proposition that all men are created equal."
)
_AWKWARD = ["<b>", "a & b", "--", ">", "-->", "a\n\nb", "\x00\x1b[0m", "\u2028", " ", "", "\ud800"]
_LATIN = st.text("aeinst", min_size=1, max_size=9)
_TEXTS = st.one_of(
    _LATIN.map(lambda word: f" {word}"),
    _LATIN.map(lambda word: f" {word}."),
    _LATIN.map(lambda word: f" {word},"),
    st.sampled_from([" the", " of", " and", " I", " Dr.", " 12", "-", "'s", " \u00ab", " \u00bb"]),
    st.sampled_from("今日は天気がいいアイス、。「」๑กเ้한국"),
    st.sampled_from(_AWKWARD).map(lambda text: f" {text}"),
    st.sampled_from(["x" * 43, "今" * 17, " super-" * 9, "a " * 80, "e\u0301" * 50]),
)
_LENGTHS = st.sampled_from([0.0, 0.05, 0.2, 0.3, 0.5, 1.5, 8.0])
_PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.02, 0.1, 0.6, 2.0, 10.0])
_TRANSCRIPTS = st.lists(
    st.lists(st.tuples(_TEXTS, _LENGTHS, _PAUSES), min_size=1, max_size=25), max_size=5
).map(lambda segments: _timed(segments))


def _timed(segments: Sequence[Sequence[tuple[str, float, float]]]) -> list[Segment]:
    """Segments of words, each with its length and the pause behind it."""
    now, timed = 0.0, []
    for segment in segments:
        words = []
        for text, length, pause in segment:
            words.append(TimedWord(text, now, now + length, 1.0))
            now += length + pause
        timed.append(Segment(tuple(words)))
    return timed


def _said(text: str, start: float = 0.0, rate: float = 15.0) -> Segment:
    """A text that is spoken evenly, with so many characters a second; ``|`` is a second's pause."""
    words, now = [], start
    for part in re.findall(r"\s*[^\s|]+|\|", text):
        seconds = 1.0 if part == "|" else len(part) / rate
        if part != "|":
            words.append(TimedWord(part, now, now + seconds, 1.0))
        now += seconds
    return Segment(tuple(words))


def _characters(text: str) -> Segment:
    """A text without spaces, seven characters a second, each a word as Whisper tells them."""
    parts = re.findall(r".[、。]*", text)
    return _timed([[(part, len(part) / 7, 0.0) for part in parts]])[0]


def _lines(*segments: Segment) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(segments)]


def _letters(text: str) -> str:
    """All but spaces."""
    return "".join(on_one_line(text).split())


def _columns(line: str) -> float:
    """In Latin letters: at least what the module makes of it."""
    bare = [each for each in line if each != "\u0301"]
    return sum(42 / 16 if "\u1100" <= each <= "\uffee" else 1 for each in bare)


def _milliseconds(text: str) -> int:
    hours, minutes, seconds = text.replace(",", ".").split(":")
    return round((int(hours) * 3600 + int(minutes) * 60) * 1000 + float(seconds) * 1000)


# What the rules say.


def test_breaks_are_where_the_sense_breaks() -> None:
    assert _lines(_said(_GETTYSBURG)) == [
        ("Four score and seven years ago our fathers", "brought forth on this continent,"),
        ("a new nation, conceived in Liberty,",),
        ("and dedicated to the proposition", "that all men are created equal."),
    ]


def test_what_fits_one_line_has_one() -> None:
    text = "It is altogether fitting that we do this."
    assert len(text) == 41
    assert _lines(_said(text)) == [(text,)]
    assert _lines(_said(text + " x" * 2))[0] != (text + " x" * 2,)


def test_sentences_are_kept_whole() -> None:
    text = (
        "The dog was barking at the neighbour again. After that she had to go and see him at home."
    )
    assert _lines(_said(text)) == [
        ("The dog was barking", "at the neighbour again."),
        ("After that she had", "to go and see him at home."),
    ]


@pytest.mark.parametrize("tail", [", right?", " it.", " in it."])
def test_no_word_is_left_alone(tail: str) -> None:
    for count in range(5, 40):
        for cue in cues([_said(f"{' '.join(['word'] * count)}{tail}")]):
            assert len(cue.words) > 3
            assert all(" " in line for line in cue.lines)


def test_lines_and_subtitles_are_equally_full() -> None:
    line = " ".join(["other"] * 5)
    assert _lines(_said(" ".join(["other"] * 10))) == [(line, line)]
    assert sorted(len(cue.words) for cue in cues([_said(" ".join(["other"] * 20))])) == [7, 13]


def test_an_article_stays_with_its_noun() -> None:
    text = "Nobody living there wanted to reconsider the architecture"
    assert _lines(_said(text)) == [("Nobody living there wanted", "to reconsider the architecture")]
    lines = _lines(_said("People never ever properly see the elephants walking"))
    assert not any(line.endswith("the") for cue in lines for line in cue)


def test_names_titles_and_numbers_are_not_divided() -> None:
    text = "I went to the old market with Dr. Smith and bought 12 apples in New York State."
    assert _lines(_said(text)) == [
        ("I went to the old market with Dr. Smith", "and bought 12 apples in New York State.")
    ]


def test_of_equal_lines_the_lower_may_be_longer() -> None:
    assert _lines(_said(" ".join(["tenletters"] * 5))) == [
        ("tenletters tenletters", "tenletters tenletters tenletters")
    ]


def test_a_long_pause_ends_a_subtitle() -> None:
    assert _lines(_said("It was the best of times. || It was the worst of times.")) == [
        ("It was the best of times.",),
        ("It was the worst of times.",),
    ]
    assert len(_lines(_said("It was the best of times. It was the worst of times."))) == 1


def test_a_word_that_would_flash_by_is_shown_with_more() -> None:
    text = "Everybody in this house was looking at me, and the others had to wait for the men."
    assert len(text) + len("Go! ") > 85
    assert _lines(_said("Go!"), _said(text, 0.25))[0][0].startswith("Go! Everybody")
    assert _lines(_said("Go!"), _said(text, 1.25))[0] == ("Go!",)


def test_fast_words_are_shown_with_slow_ones() -> None:
    fast = _said("They had been told what they should do. ", rate=35.0).words
    slow = _said(" Nobody listened today or wondered about anything.", fast[-1].end, rate=8.0).words
    first, second = cues([Segment((*fast, *slow))])
    assert first.words[-1].start >= slow[0].start
    even = _said("They had been told what they should do. Nobody listened today or wondered.")
    assert len(list(cues([even]))) == 1
    assert second.end - second.start > 1


def test_scripts_without_spaces_have_sixteen_characters_a_line() -> None:
    spoken = "今日は天気がいいので、友達と公園へ行きました。"
    spoken += "そこでアイスクリームを食べて、写真を撮りました。"
    assert _lines(_characters(spoken)) == [
        ("今日は天気がいいので、", "友達と公園へ行きました。"),
        ("そこでアイスクリームを食べて、", "写真を撮りました。"),
    ]


def test_no_line_begins_with_a_mark_that_closes() -> None:
    parts = [(each, 0.15, 0.0) for each in "今今今今今今今今今今今今今今今今、今今今今今今今今"]
    lines = [line for cue in _lines(*_timed([parts])) for line in cue]
    assert all(line[0] != "、" for line in lines)


def test_letters_beside_wide_characters_have_half_their_width() -> None:
    latin = "a" * 30
    assert _lines(*_timed([[("私", 1.0, 0.0), (latin, 1.0, 0.0)]])) == [(f"私{latin}",)]
    assert _lines(*_timed([[("私", 1.0, 0.0), (f"{latin}a", 1.0, 0.0)]])) == [("私", f"{latin}a")]


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("x" * 60, ("x" * 42, "x" * 18)),
        ("x" * 30 + "-" + "y" * 30, ("x" * 30 + "-", "y" * 30)),
        ("x" * 30 + "\n" + "y" * 30, ("x" * 30, "y" * 30)),
        ("x" * 42 + "\u093e" + "x" * 9, ("x" * 41, "x\u093e" + "x" * 9)),
    ],
)
def test_a_word_longer_than_a_line_is_cut(word: str, lines: tuple[str, ...]) -> None:
    (cue,) = cues(_timed([[(f" {word}", 3.0, 0.0)]]))
    assert cue.lines == lines
    first, second = cue.words
    assert (first.start, second.end) == (0.0, 3.0)
    assert first.end == second.start == pytest.approx(3 * len(lines[0]) / len(word), rel=0.02)


@pytest.mark.parametrize(
    ("before", "after", "rank"),
    [
        ("end.", "Then", 0),
        ("end.\u201d", "Then", 0),
        ("end,", "then", 1),
        ("end", "and", 3),
        ("red", "dog", 4),
        ("he", "went", 5),
        ("Dr.", "Smith", 6),
        ("U.S.", "Army", 5),
        ("J.", "Smith", 5),
        ("of", "dogs", 5),
        ("the", "dog", 6),
        ("Oui", "!", 7),
        ("\u00ab", "Oui", 7),
        ("Oui", "\u00bb", 7),
    ],
)
def test_breaks_are_ranked(before: str, after: str, rank: int) -> None:
    bounds = [0, 1, 2, 3, 5, 6, 9, 60]
    cost = break_cost(before, after, True, 0.0)
    assert bounds[rank] <= cost
    assert cost <= bounds[rank] + 1
    assert break_cost(before, after, True, 0.7) <= cost


def test_continued_speech_may_begin_with_dots() -> None:
    assert break_cost("him", "...and", True, 0.0) < break_cost("him", "...", True, 0.0)


# Times.


def test_a_subtitle_stays_as_long_as_it_takes_to_read() -> None:
    text = "Everybody ought to read this slowly."
    (cue,) = cues([_said(text, rate=60.0)])
    assert cue.end - cue.start == pytest.approx(len(text) / 20)
    (cue,) = cues([_said(text, rate=15.0)])
    assert cue.end == pytest.approx(len(text) / 15 + 0.5)
    (cue,) = cues([_said("Hm.", rate=100.0)])
    assert cue.end == pytest.approx(5 / 6)


def test_a_subtitle_ends_two_frames_before_the_next() -> None:
    first, second = cues([_said("That was the end."), _said("This is a beginning.", 1.3)])
    assert first.end == pytest.approx(1.3 - _GAP_S)
    assert second.start == 1.3


def test_no_gap_is_cut_out_of_the_last_word() -> None:
    first, second = cues([_said("That was the end."), _said("This is a beginning.", 17 / 15)])
    assert first.end == pytest.approx(17 / 15)
    assert second.start == pytest.approx(17 / 15)


def test_a_word_without_end_leaves_the_screen_after_seven_seconds() -> None:
    (cue,) = cues(_timed([[(" Oh!", 30.0, 0.0)]]))
    assert (cue.start, cue.end) == (0.0, 7.0)


def test_words_without_time_are_shown_all_the_same() -> None:
    subtitles = list(cues(_timed([[(" nothing", 0.0, 0.0)] * 40, [(" next", 0.3, 0.0)]])))
    assert len(subtitles) > 3
    assert all(cue.end - cue.start > 0.04 for cue in subtitles)


def test_segments_that_flash_by_are_shown_together() -> None:
    segments = [_said("Yes.", 0.0), _said("No.", 0.3), _said("I do not think so.", 0.6)]
    assert _lines(*segments) == [("Yes. No. I do not think so.",)]
    assert _lines(_said("Yes."), _said("I do not think so.", 1.5)) == [
        ("Yes.",),
        ("I do not think so.",),
    ]


# Any transcript.


@given(_TRANSCRIPTS)
def test_every_word_is_shown_once_in_order(segments: list[Segment]) -> None:
    subtitles = list(cues(segments))
    shown = [word for cue in subtitles for word in cue.words]
    assert _letters("".join(line for cue in subtitles for line in cue.lines)) == _letters(
        joined(words_of(segments))
    )
    assert _letters(joined(shown)) == _letters(joined(words_of(segments)))
    assert all(_letters(joined(cue.words)) == _letters("".join(cue.lines)) for cue in subtitles)
    short = [word for word in words_of(segments) if 0 < len(_letters(word.text)) < 16]
    kept = {id(word) for word in shown}
    assert all(id(word) in kept for word in short)


@given(_TRANSCRIPTS)
def test_lines_are_within_limits(segments: list[Segment]) -> None:
    for cue in cues(segments):
        assert 1 <= len(cue.lines) <= 2
        for line in cue.lines:
            assert _columns(line) <= 42
            assert line == line.strip()
            assert line
            assert line.isprintable()


@given(_TRANSCRIPTS)
def test_times_are_in_order(segments: list[Segment]) -> None:
    subtitles = list(cues(segments))
    for cue in subtitles:
        assert 1 / 24 - _NEAR <= cue.end - cue.start <= 7 + _NEAR
        assert cue.start >= cue.words[0].start
        assert len(cue.words) == 1 or cue.words[-1].end - cue.words[0].start <= 7 + _NEAR
    for cue, following in pairwise(subtitles):
        left = following.start - cue.end
        assert left >= 0
        starts_late = following.start > following.words[0].start
        silence = following.words[0].start - cue.words[-1].end
        assert left >= min(_GAP_S, silence) - _NEAR or starts_late or cue.end - cue.start < 0.05


@given(_TRANSCRIPTS)
def test_subtitles_wait_only_for_what_begins_at_once(segments: list[Segment]) -> None:
    shown = [segment for segment in segments if _letters(segment.text)]
    taken = 0

    def arriving() -> Iterator[Segment]:
        nonlocal taken
        for segment in shown:
            taken += 1
            yield segment

    for cue in cues(arriving()):
        last_but_one = shown[max(0, taken - 2)]
        assert cue.words[-1].end >= last_but_one.start - 5 / 6 - _GAP_S - _NEAR


@given(_TRANSCRIPTS, st.booleans())
def test_files_are_well_formed(segments: list[Segment], word_times: bool) -> None:
    subtitles = list(cues(segments))
    for text in ("".join(srt(subtitles)), "".join(vtt(subtitles, word_times))):
        blocks = text.removeprefix("WEBVTT\n\n").split("\n\n")
        assert blocks.pop() == ""
        assert len(blocks) == len(subtitles)
        assert text.count("-->") == len(subtitles)
        text.encode()
        latest = 0
        for block in blocks:
            times = re.findall(r"\d\d:\d\d:\d\d[.,]\d{3}", block)
            start, end, *within = map(_milliseconds, times)
            assert latest <= start < end
            assert sorted({start, *within, end}) == [start, *within, end]
            latest = end


@given(_TRANSCRIPTS)
def test_times_of_words_leave_the_text_as_it_is(segments: list[Segment]) -> None:
    subtitles = list(cues(segments))
    timed = re.sub(r"<[\d:.]+>", "", "".join(vtt(subtitles, word_times=True)))
    assert timed == "".join(vtt(subtitles))


# Files.


def _cue(*lines: str, start: float = 1.0, end: float = 2.5) -> Cue:
    words = tuple(TimedWord(f" {each}", start, end, 1.0) for line in lines for each in line.split())
    return Cue(start, end, lines, words)


def test_srt_is_as_players_expect_it() -> None:
    subtitles = [_cue("Hello there,", "you."), _cue("A --> B", start=360_000.0, end=360_001.9996)]
    assert list(srt(subtitles)) == [
        "1\n00:00:01,000 --> 00:00:02,500\nHello there,\nyou.\n\n",
        "2\n100:00:00,000 --> 100:00:02,000\nA → B\n\n",
    ]


def test_vtt_is_as_browsers_expect_it() -> None:
    assert list(vtt([_cue("A & B --> <i>")])) == [
        "WEBVTT\n\n",
        "00:00:01.000 --> 00:00:02.500\nA &amp; B --&gt; &lt;i&gt;\n\n",
    ]
    assert list(vtt([])) == ["WEBVTT\n\n"]


def test_words_have_their_times() -> None:
    words = (
        TimedWord(" Well,", 1.0, 1.3, 1.0),
        TimedWord(" R&D", 1.5, 2.0, 1.0),
        TimedWord("'s", 2.0, 2.0, 1.0),
        TimedWord(" here", 2.0, 2.1, 1.0),
        TimedWord(" now", 2.4, 2.6, 1.0),
    )
    _, piece = vtt([Cue(1.0, 3.0, ("Well, R&D's", "here now"), words)], word_times=True)
    assert piece.split("\n")[1:3] == [
        "Well, <00:00:01.500>R&amp;D<00:00:02.000>'s",
        "here <00:00:02.400>now",
    ]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("kind", ["srt", "webvtt"])
def test_ffmpeg_reads_what_is_written(kind: str) -> None:
    segments = [
        _said(_GETTYSBURG),
        _said("Fish & chips, 5 > 3.", 14.0),
        _said("1984.", 17.0),
        _characters("今日は天気がいい。"),
    ]
    late = [TimedWord(each.text, each.start + 20, each.end + 20, 1.0) for each in segments[3].words]
    subtitles = list(cues([*segments[:3], Segment(tuple(late))]))
    pieces = srt(subtitles) if kind == "srt" else vtt(subtitles)
    command = ["ffmpeg", "-v", "error", "-f", kind, "-i", "pipe:0", "-f", "srt", "pipe:1"]
    read = subprocess.run(command, input="".join(pieces).encode(), capture_output=True, check=True)
    assert read.stdout.decode().replace("\r\n", "\n") == "".join(srt(subtitles))
