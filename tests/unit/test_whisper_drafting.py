from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from audio_score_server.runners.whisper.drafting import Draft, covered_by

_TOKENS = st.lists(st.integers(0, 5), max_size=24)
_UNLIKE = st.lists(st.integers(0, 99), min_size=2, max_size=20, unique=True)
"""Transcripts in which no token comes twice."""


def _passes(said: list[int], draft: list[int]) -> int:
    """How many passes a transcript with its end takes when its tokens are guessed from a draft."""
    follower = Draft(draft)
    rest = [*said, -1]
    passes = 0
    while rest:
        guess = follower.guess(len(rest) - 1)
        held = 0
        while held < len(guess) and guess[held] == rest[held]:
            held += 1
        follower.follow(len(guess), held, rest[held])
        rest = rest[held + 1 :]
        passes += 1
    return passes


@given(_TOKENS, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 7))))
def test_guesses_are_pieces_of_the_draft_whatever_becomes_of_them(
    tokens: list[int], steps: list[tuple[int, int, int]]
) -> None:
    draft = Draft(tokens)
    pieces = {
        tuple(tokens[start:stop])
        for start in range(len(tokens) + 1)
        for stop in range(start, len(tokens) + 1)
    }
    assert draft.guess(len(tokens)) == tokens
    for most, held, own in steps:
        guess = draft.guess(most)
        assert len(guess) <= most
        assert tuple(guess) in pieces
        draft.follow(len(guess), min(held, len(guess)), own)


@given(_TOKENS, _TOKENS)
def test_no_draft_costs_more_passes_than_there_are_tokens(
    said: list[int], draft: list[int]
) -> None:
    assert _passes(said, draft) <= len(said) + 1
    assert _passes(said, []) == len(said) + 1


@given(_TOKENS)
def test_a_right_draft_costs_one_pass(said: list[int]) -> None:
    assert _passes(said, said) == 1


@given(_TOKENS, _TOKENS)
def test_what_a_draft_says_besides_costs_nothing(said: list[int], more: list[int]) -> None:
    assert _passes(said, said + more) == 1


@given(_UNLIKE, st.data())
def test_a_draft_wrong_in_one_token_costs_three_passes_at_most(
    said: list[int], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(said) - 1))
    assert _passes(said, [*said[:place], 100, *said[place + 1 :]]) <= 3
    assert _passes(said, [*said[:place], 100, *said[place:]]) <= 3


@given(_UNLIKE, st.data())
def test_a_draft_without_one_of_the_tokens_is_found_again(
    said: list[int], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(said) - 1))
    assert _passes(said, [*said[:place], *said[place + 1 :]]) <= 4


@pytest.mark.parametrize("length", [40, 80, 160])
def test_guesses_grow_while_they_hold(length: int) -> None:
    said = list(range(length))
    assert _passes(said, [1_000, *said[1:]]) <= 5


def test_every_mistake_is_forgiven_anew() -> None:
    said = list(range(80))
    draft = [100 if token % 10 == 5 else token for token in said]
    assert _passes(said, draft) <= 1 + 2 * 8


def test_a_token_that_comes_twice_is_the_one_that_is_near() -> None:
    draft = Draft([7, 1, 2, 7, 4, 5])
    for own in (50, 51, 7):
        draft.follow(len(draft.guess(40)), 0, own)
    assert draft.guess(40) == [4, 5]


def test_a_draft_of_something_else_is_given_up() -> None:
    draft = Draft(range(100, 130))
    guessed = 0
    for own in range(50):
        guess = draft.guess(40)
        guessed += len(guess)
        draft.follow(len(guess), 0, own)
    assert guessed <= 30 + 2 * 4
    assert draft.guess(40) == []


def test_a_draft_that_was_given_up_is_taken_up_again() -> None:
    draft = Draft(range(10))
    for own in (50, 51, 52):
        draft.follow(len(draft.guess(40)), 0, own)
    assert draft.guess(40) == []
    draft.follow(0, 0, 3)
    assert draft.guess(40)[:2] == [4, 5]


def _brute_force(draft: list[int], said: list[int]) -> int:
    distances = [Levenshtein.distance(draft[:end], said) for end in range(len(draft) + 1)]
    return max(end for end, distance in enumerate(distances) if distance == min(distances))


@given(_TOKENS, _TOKENS)
def test_a_transcript_covers_the_beginning_of_the_draft_that_is_nearest_to_it(
    draft: list[int], said: list[int]
) -> None:
    assert covered_by(draft, said) == _brute_force(draft, said)


@given(_UNLIKE, st.data())
def test_a_right_transcript_covers_what_it_says(said: list[int], data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(said)))
    assert covered_by(said, said[:end]) == end
