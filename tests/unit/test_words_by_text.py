from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.scoring.time_spans import TimeSpan
from audio_score_server.scoring.words import PhoneDetail, WordDetail
from audio_score_server.scoring.words_by_text import with_times, words_by_text


def _told(expected: str, heard: str, language: str | None = "en") -> list[str]:
    """Each word with a mark of its status: + added, - missed, and what was heard instead."""
    marks = {"correct": "{}", "omission": "-{}", "insertion": "+{}", "substitution": "{}={}"}
    details = words_by_text(expected, heard, language, None)
    return [marks[each.status].format(each.text, " ".join(each.heard)) for each in details]


@pytest.mark.parametrize(
    ("expected", "heard", "told"),
    [
        ("Look at this.", "look at this", ["Look", "at", "this"]),
        ("Look at this", "look this", ["Look", "-at", "this"]),
        ("Look at this", "now look at this", ["+now", "Look", "at", "this"]),
        ("Look at the ship", "look at the sheep", ["Look", "at", "the", "ship=sheep"]),
        ("See ships", "sea ships", ["See", "ships"]),
        ("2 ships", "two ships", ["2", "ships"]),
        ("I don't know", "I do not know", ["I", "don't", "know"]),
        ("I don't know", "I do know", ["I", "don't=do", "know"]),
        ("One, two", "", ["-One", "-two"]),
        ("", "one two", ["+one", "+two"]),
        ("$5", "five", ["5"]),
    ],
)
def test_words_are_told_by_what_was_heard(expected: str, heard: str, told: list[str]) -> None:
    assert _told(expected, heard) == told


def test_scripts_without_spaces_go_by_characters() -> None:
    assert _told("你好世界", "你号界", None) == ["你", "好=号", "-世", "界"]


def test_scores_follow_the_sounds() -> None:
    same, near, far, none = (
        words_by_text("ship", heard, "en", None)[0].score
        for heard in ("ship", "sheep", "bottle", "")
    )
    assert same == 1.0
    assert same > near > far >= none == 0.0


def test_what_the_model_finds_likely_is_said_whatever_it_wrote() -> None:
    evidence = np.array([0.95, 0.6, 0.1], np.float32)
    details = words_by_text("one two three", "one", "en", evidence)
    assert [word.status for word in details] == ["correct", "omission", "omission"]
    details = words_by_text("one two three", "two three", "en", evidence)
    assert [word.status for word in details] == ["correct", "correct", "correct"]
    assert details[0].score == pytest.approx(0.9)


def test_evidence_for_another_number_of_words_is_not_used() -> None:
    details = words_by_text("one two", "two", "en", np.ones(3, np.float32))
    assert [word.status for word in details] == ["omission", "correct"]


def test_times_and_phones_come_from_the_phone_encoder() -> None:
    phones = (PhoneDetail("W", 1.0, (), TimeSpan(0, 1), TimeSpan(0, 1)),)
    timed = (
        WordDetail("one", "correct", 1.0, (), TimeSpan(0.1, 0.2), TimeSpan(0.3, 0.4), phones),
        WordDetail("AH B", "insertion", 0.0, ("AH", "B"), TimeSpan(0.2, 0.3)),
        WordDetail("three", "correct", 0.4, (), TimeSpan(0.5, 0.6), TimeSpan(0.7, 0.8), phones),
    )
    one, two, three, more = with_times(
        (
            WordDetail("One", "correct", 1.0),
            WordDetail("2", "correct", 1.0),
            WordDetail("Three", "omission", 0.0),
            WordDetail("more", "insertion", 0.0, ("more",)),
        ),
        timed,
    )
    assert one.recording == TimeSpan(0.1, 0.2)
    assert one.reference == TimeSpan(0.3, 0.4)
    assert one.phones == phones
    assert two == WordDetail("2", "correct", 1.0)
    assert three.recording is None
    assert three.reference == TimeSpan(0.7, 0.8)
    assert more == WordDetail("more", "insertion", 0.0, ("more",))


_TEXTS = st.lists(
    st.sampled_from(("one", "two", "3", "don't", "it's", "你", "好", "1999")), max_size=8
)


@settings(max_examples=100, deadline=None)
@given(_TEXTS, _TEXTS, st.sampled_from(["en", None]))
def test_every_expected_word_is_told_of_once_in_order(
    expected: list[str], heard: list[str], language: str | None
) -> None:
    details = words_by_text(" ".join(expected), " ".join(heard), language, None)
    assert [word.text for word in details if word.status != "insertion"] == expected
    for word in details:
        assert 0 <= word.score <= 1
        assert (word.heard == ()) == (word.status in ("correct", "omission"))
