from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.domain import Alignment
from audio_score_server.language.lexicon import SpokenWord
from audio_score_server.language.phones import PHONES
from audio_score_server.runners.phones.alignment import align
from audio_score_server.runners.phones.decoding import heard_phones
from audio_score_server.scoring.words import WordDetail
from audio_score_server.scoring.words_by_phones import (
    AlignedPhones,
    clip_words,
    phrases,
    words_by_phones,
)
from tests.support import certain_sound

RATE = 50.0
LINE = "look:L-UH-K at:AE-T this:DH-IH-S ship:SH-IH-P"
CLIP = "- L - - UH - - K - - AE - - T - - DH - - IH - - S - - SH - - IH - - P - -"


def _line(line: str) -> tuple[SpokenWord, ...]:
    pairs = (word.split(":") for word in line.split())
    return tuple(SpokenWord(text, tuple(phones.split("-"))) for text, phones in pairs)


def _aligned(labels: str, words: tuple[SpokenWord, ...]) -> Alignment:
    sound = certain_sound(labels)
    return align(
        sound, tuple(phone for word in words for phone in word.phones), heard_phones(sound)
    )


def _details(labels: str, line: str = LINE, clip: str = CLIP) -> tuple[WordDetail, ...]:
    words = _line(line)
    sounds = AlignedPhones(words, _aligned(clip, words), _aligned(labels, words), RATE)
    return words_by_phones(sounds, (len(clip.split()) / RATE, len(labels.split()) / RATE))


def _statuses(labels: str) -> list[tuple[str, str]]:
    return [(word.text, word.status) for word in _details(labels)]


def _pause(seconds: float) -> str:
    return " ".join(["-"] * round(seconds * RATE))


def test_the_clip_itself_says_every_word() -> None:
    details = _details(CLIP)
    assert [(word.text, word.status) for word in details] == [
        (word.text, "correct") for word in _line(LINE)
    ]
    for word in details:
        assert word.score == pytest.approx(1.0)
        assert word.heard == ()
        assert word.recording == word.reference
        assert [phone.heard for phone in word.phones] == [()] * len(word.phones)


def test_words_begin_and_end_between_the_marks_of_their_phones() -> None:
    look, at, *_ = _details(CLIP)
    assert look.recording is not None
    assert at.recording is not None
    # Marks at frames 1, 4, 7 and 10; frames are 20 ms long.
    assert look.recording.start == pytest.approx(0.0, abs=1e-6)
    assert look.recording.end == at.recording.start == pytest.approx((8 + 10) / 2 / RATE)


def test_a_phone_reaches_no_further_than_it_can() -> None:
    first, second = _details(f"{_pause(1)} L {_pause(1)} K {_pause(1)}", "a:L b:K", "L K")
    assert first.recording is not None
    assert second.recording is not None
    assert astuple(first.recording) == pytest.approx((1.0 - 0.08, 1.02 + 0.08))
    assert astuple(second.recording) == pytest.approx((2.02 - 0.08, 2.04 + 0.08))


def test_half_of_the_line_misses_the_other_half() -> None:
    details = _details("- L - UH - K - AE - T - - - -")
    assert [word.status for word in details] == ["correct", "correct", "omission", "omission"]
    for word in details[2:]:
        assert word.score == pytest.approx(0, abs=1e-6)
        assert word.recording is None
        assert word.reference is not None
        assert word.heard == ()
        assert all(phone.recording is None and phone.score < 1e-6 for phone in word.phones)


def test_another_word_in_its_place_is_heard_instead() -> None:
    details = _details("- L - UH - K - AE - T - DH - IH - S - - K - AA - R - -")
    assert [word.status for word in details] == ["correct", "correct", "correct", "substitution"]
    assert details[3].heard == ("K", "AA", "R")
    assert details[3].score < 0.5
    assert details[3].recording is not None
    assert details[2].recording is not None
    assert details[3].recording.start >= details[2].recording.end


def test_one_wrong_phone_leaves_the_word_said_and_tells_what_was_heard() -> None:
    *_, ship = _details("- L - UH - K - AE - T - DH - IH - S - SH - IY - P - -")
    assert ship.status == "correct"
    assert [phone.heard for phone in ship.phones] == [(), ("IY",), ()]
    assert ship.phones[1].score == pytest.approx(0.0, abs=0.01)
    assert 0.5 < ship.score < 0.8


def test_words_that_nobody_expected_are_added_where_they_were_heard() -> None:
    assert _statuses("- L - UH - K - AE - T - - M - AY - G - DH - IH - S - SH - IH - P - -") == [
        ("look", "correct"),
        ("at", "correct"),
        ("M AY G", "insertion"),
        ("this", "correct"),
        ("ship", "correct"),
    ]


def test_words_before_the_line_and_after_it_are_added() -> None:
    before, *_, after = _details(f"Y EH Z {_pause(0.5)} {CLIP} {_pause(0.5)} N AW W")
    assert (before.text, before.status) == ("Y EH Z", "insertion")
    assert (after.text, after.status) == ("N AW W", "insertion")
    assert before.reference is after.reference is None
    assert before.recording is not None
    assert before.recording.end < 0.2


def test_added_words_with_a_pause_between_them_are_two() -> None:
    *_, one, other = _details(f"{CLIP} {_pause(0.5)} N AW W {_pause(0.5)} B AY T")
    assert (one.text, other.text) == ("N AW W", "B AY T")


@pytest.mark.parametrize(
    ("extra", "insertions"),
    [("AH", 0), ("AH M", 0), (f"AH {_pause(0.22)} M", 1), ("AH M AH", 1)],
)
def test_a_slip_is_no_word(extra: str, insertions: int) -> None:
    details = _details(f"{CLIP} {_pause(0.3)} {extra} - -")
    assert [word.status for word in details].count("insertion") == insertions


def test_a_phone_at_the_end_of_a_word_belongs_to_it() -> None:
    look, *_ = _details("- L - UH - K S - - AE - T - DH - IH - S - SH - IH - P - -")
    assert look.status == "correct"
    assert look.phones[2].heard == ()
    assert look.phones[2].score < 1


def test_silence_misses_every_word() -> None:
    details = _details("- - - - - -")
    assert [word.status for word in details] == ["omission"] * 4
    assert [word.score for word in details] == pytest.approx([0.0] * 4, abs=1e-6)


def test_a_lone_phone_far_away_is_no_part_of_a_word() -> None:
    details = _details(f"- L - UH - K - {_pause(2)} AE {_pause(2)} DH - IH - S - SH - IH - P - -")
    assert all(word.recording is None or word.recording.seconds < 0.5 for word in details)


def test_words_without_phones_are_left_out() -> None:
    words = (*_line("a:AH"), SpokenWord("-", ()), *_line("b:B"))
    sound = _aligned("AH - B", words)
    details = words_by_phones(AlignedPhones(words, sound, sound, RATE), (1, 1))
    assert [word.text for word in details] == ["a", "b"]


def test_a_clip_without_text_is_parted_at_its_pauses() -> None:
    sound = certain_sound(f"L UH K {_pause(0.3)} AE T - DH IH S")
    heard = heard_phones(sound)
    phones = tuple(each.phone for each in heard)
    found = phrases(phones, align(sound, phones, heard), RATE)
    assert [word.text for word in found] == ["L UH K", "AE T DH IH S"]
    assert [word.phones for word in found] == [("L", "UH", "K"), ("AE", "T", "DH", "IH", "S")]


_LABELS = st.lists(st.sampled_from(("-", "-", *PHONES[:8])), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(_LABELS, _LABELS, st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 99))
def test_every_word_is_told_of_once_in_order(
    clip: list[str], dub: list[str], sizes: list[int], seed: int
) -> None:
    pick = np.random.default_rng(seed)
    words = tuple(
        SpokenWord(str(place), tuple(pick.choice(PHONES[:8], size).tolist()))
        for place, size in enumerate(sizes)
    )
    alignments = _aligned(" ".join(clip), words), _aligned(" ".join(dub), words)
    details = words_by_phones(
        AlignedPhones(words, *alignments, RATE), (len(clip) / RATE, len(dub) / RATE)
    )
    expected = [word for word in details if word.status != "insertion"]
    assert [word.text for word in expected] == [word.text for word in words]
    for detail in details:
        assert 0 <= detail.score <= 1
        assert (detail.recording is None) == (detail.status == "omission")
        assert (detail.heard == ()) == (detail.status in ("correct", "omission"))
        for span in (detail.recording, detail.reference):
            assert span is None or 0 <= span.start < span.end
        assert detail.recording is None or detail.recording.end <= len(dub) / RATE
        assert detail.reference is None or detail.reference.end <= len(clip) / RATE


def test_a_clips_words_have_the_times_that_a_score_tells() -> None:
    words = (*_line(LINE), SpokenWord("-", ()))
    found = clip_words(words, _aligned(CLIP, words), RATE, len(CLIP.split()) / RATE)
    told = _details(CLIP)
    assert [(word.text, word.reference) for word in found] == [
        (word.text, word.reference) for word in told
    ]


def test_a_word_that_the_clip_lacks_has_no_time() -> None:
    words = _line("look:L-UH-K zoo:Z-UW")
    found = clip_words(words, _aligned("- L - UH - K - -", words), RATE, 0.2)
    assert found[0].reference is not None
    assert found[1].reference is None
