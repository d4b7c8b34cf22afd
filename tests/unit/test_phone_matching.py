from __future__ import annotations

import numpy as np

from audio_score_server.domain import Alignment, HeardPhone
from audio_score_server.language.lexicon import SpokenWord
from audio_score_server.scoring.phone_matching import PhoneMatch, match_phones
from audio_score_server.scoring.words_by_phones import AlignedPhones, words_by_phones

RATE = 50.0


def _alignment(marks: list[int | None], heard: str) -> Alignment:
    """Expected phones at frames, and those heard as ``phone:frame``; each takes one frame."""
    pairs = (each.split(":") for each in heard.split())
    present = np.array([mark is not None for mark in marks])
    starts = np.array([mark or 0 for mark in marks])
    return Alignment(
        present,
        starts,
        np.where(present, starts + 1, 0),
        np.where(present, 0.9, 0.01).astype(np.float32),
        tuple(HeardPhone(phone, int(frame), int(frame) + 1) for phone, frame in pairs),
    )


def _told(match: PhoneMatch) -> tuple[list[str], list[str]]:
    def named(phones: tuple[HeardPhone, ...]) -> str:
        return " ".join(phone.phone for phone in phones)

    return [named(each) for each in match.instead], [named(each) for each in match.added]


def test_a_phone_belongs_to_the_one_that_it_overlaps() -> None:
    told = _told(match_phones(_alignment([3, 6, 9], "B:3 IY:6 T:9"), RATE))
    assert told == (["B", "IY", "T"], [])


def test_what_is_heard_where_phones_are_missing_replaces_them() -> None:
    told = _told(match_phones(_alignment([3, None, None, 20], "B:3 S:8 T:12 OW:15 K:20"), RATE))
    assert told == (["B", "S T", "OW", "K"], [])


def test_a_lone_phone_soon_after_another_is_part_of_it() -> None:
    assert _told(match_phones(_alignment([3, 30], "K:3 S:7 T:30"), RATE)) == (["K S", "T"], [])


def test_a_lone_phone_long_after_another_is_nobodys() -> None:
    assert _told(match_phones(_alignment([3, 60], "K:3 S:30 T:60"), RATE)) == (["K", "T"], [])


def test_what_is_too_much_for_the_missing_phones_is_added() -> None:
    told = _told(
        match_phones(_alignment([3, None, 60], "K:3 S:8 AH:12 B:16 EH:20 T:24 D:60"), RATE)
    )
    assert told == (["K", "S AH", "D"], ["B EH T"])


def test_where_nothing_is_expected_all_is_added() -> None:
    assert _told(match_phones(_alignment([], "B:1 EH:5 T:9"), RATE)) == ([], ["B EH T"])


def test_a_phone_that_a_pause_parts_from_its_word_is_no_part_of_it() -> None:
    alignment = _alignment([3, 6, 9, 90], "B:3 EH:6 T:9 S:90")
    (word,) = words_by_phones(
        AlignedPhones((SpokenWord("bets", ("B", "EH", "T", "S")),), alignment, alignment, RATE),
        (2, 2),
    )
    assert word.status == "correct"
    assert word.recording is not None
    assert word.recording.seconds < 0.4
    assert word.phones[3].recording is not None
