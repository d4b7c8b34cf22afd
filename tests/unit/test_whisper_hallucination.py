"""Transcripts that ran away from what was said, told by their looks."""

from __future__ import annotations

import pytest

from audio_score_server.runners.whisper.hallucination import hallucination_signs, no_speech


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 1.0),
        ("Yes.", 0.3),
        ("Look at this big jeep.", 2.0),
        ("No, no, no, I never said that.", 2.5),
        ("And so my fellow Americans, ask not what your country can do for you.", 8.0),
        # Fast, but not faster than people.
        ("She sells sea shells on the sea shore", 1.3),
        ("今日は天気がいいですね", 2.0),
    ],
)
def test_what_people_say_is_not_doubted(text: str, seconds: float) -> None:
    assert hallucination_signs(text, seconds, -0.5) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("you you you you", 4.0),
        ("I don't know. I don't know. I don't know. I don't know.", 20.0),
        ("A line that starts well and goes and goes and goes and goes", 20.0),
        ("There are far too many words in here for a second", 1.0),
        ("今日は天気がいいですね今日は天気がいいですね", 1.0),
    ],
)
def test_what_goes_round_or_is_too_fast_is_doubted(text: str, seconds: float) -> None:
    assert hallucination_signs(text, seconds, -0.1) >= 1


def test_each_sign_counts() -> None:
    round_and_round = "and then we went home " * 30
    assert hallucination_signs(round_and_round, 60.0, -0.1) == 2
    assert hallucination_signs(round_and_round, 10.0, -0.1) == 3
    assert hallucination_signs(round_and_round, 10.0, -1.6) == 4
    assert hallucination_signs("Thank you.", 10.0, -1.6) == 1
    # A hesitant learner.
    assert hallucination_signs("Thank you.", 10.0, -1.1) == 0


def test_nobody_speaks_where_the_model_says_so_and_hardly_believes_its_words() -> None:
    assert no_speech(0.9, -1.2, 0)
    assert no_speech(0.9, -0.1, 1)
    assert not no_speech(0.9, -0.2, 0)
    assert no_speech(0.65, -0.1, 1)
    assert no_speech(0.45, -1.9, 1)
    assert not no_speech(0.3, -1.9, 2)
    # A learner, and a loud one.
    assert not no_speech(0.64, -1.53, 1)
    assert not no_speech(0.16, -1.69, 1)
