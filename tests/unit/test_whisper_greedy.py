"""Drafts save passes and change nothing: shown on a decoder that says what a function says."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audio_score_server.runners.whisper.greedy import DecodingLimits, GreedyChoices, decode
from audio_score_server.runners.whisper.kv_cache import KVCache

STOP: Final = 0
PROMPT: Final = (7, 8)
PADDING: Final = 99


STUCK: Final = -1
"""A script that says 1, 2, 1, 2 for ever."""


def _next(script: int, transcript: tuple[int, ...]) -> int:
    """What a script says after a transcript, any of 0 to 3."""
    if script == STUCK:
        return 1 + (len(transcript) - len(PROMPT)) % 2
    number = hash((script, transcript)) % 36
    return STOP if number < 3 else 1 + number % 3


def _likelihood(script: int, transcript: tuple[int, ...], following: int) -> float:
    return -(hash((script, transcript, following)) % 1_000) / 100


def _silence(script: int) -> float:
    return (script % 8) / 8


def _plainly(script: int, most: int) -> list[int]:
    """Token by token."""
    said: list[int] = []
    while len(said) < most:
        token = _next(script, (*PROMPT, *said))
        if token == STOP:
            break
        said.append(token)
    return said


class _Scripted:
    """A decoder whose memory is real: it keeps tokens where others keep keys."""

    def __init__(self) -> None:
        self.count = 0

    def kv_cache(self, rows: int, positions: int, capacity: int) -> KVCache:
        """Each row's sound is the number of its script."""
        memory = torch.full((1, rows, capacity, 1, 1), -1)
        return KVCache(torch.zeros(rows, positions, 1, dtype=torch.int64), memory, memory.clone())

    def __call__(
        self, kv_cache: KVCache, tokens: list[list[int]], starts: list[int], skipped: int
    ) -> GreedyChoices:
        """Choices and likelihoods; padding overwrites what comes later, as it does in earnest."""
        self.count += 1
        columns = max(map(len, tokens))
        chosen = np.full((len(tokens), columns - skipped), PADDING)
        likelihoods = np.full(chosen.shape, np.nan, np.float32)
        sure = np.full(chosen.shape, np.nan, np.float32)
        for row, (own, start) in enumerate(zip(tokens, starts, strict=True)):
            memory = kv_cache.keys[0, row, :, 0, 0]
            memory[start : start + columns] = PADDING
            memory[start : start + len(own)] = torch.tensor(own)
            script = int(kv_cache.audio[row, 0, 0])
            for column in range(skipped, len(own)):
                transcript = tuple(memory[: start + column + 1].tolist())
                choice = _next(script, transcript)
                chosen[row, column - skipped] = choice
                sure[row, column - skipped] = _likelihood(script, transcript, choice)
                if column + 1 < len(own):
                    likelihoods[row, column - skipped] = _likelihood(
                        script, transcript, own[column + 1]
                    )
        silence = np.array(
            [_silence(int(script)) for script in kv_cache.audio[: len(tokens), 0, 0]]
        )
        return GreedyChoices(chosen, likelihoods, sure, silence * (skipped > 0))


_SCRIPTS = st.integers(0, 10**6)
_TOKENS = st.lists(st.integers(0, 3), max_size=3)
_EDITS = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 2), _TOKENS), max_size=3)


@st.composite
def _rows(draw: st.DrawFn) -> tuple[int, list[int]]:
    """A script and a draft: what it says with pieces replaced, put in or left out."""
    script = draw(_SCRIPTS)
    draft = _plainly(script, 15) if draw(st.booleans()) else draw(_TOKENS)
    for place, length, instead in draw(_EDITS):
        draft[place : place + length] = instead
    return script, draft


@settings(max_examples=300)
@given(st.lists(_rows(), min_size=1, max_size=5), st.integers(1, 15))
@example([(0, [])], 1)
def test_any_draft_gives_what_plain_greedy_decoding_gives(
    rows: list[tuple[int, list[int]]], most: int
) -> None:
    drafts = [draft[: most - 1] for _, draft in rows]
    passes = _Scripted()
    kv_cache = passes.kv_cache(len(rows), 1, most + 2 * len(PROMPT) + max(map(len, drafts)))
    kv_cache.audio[:, 0, 0] = torch.tensor([script for script, _ in rows])
    decoded_chunks = decode(
        passes, kv_cache, [PROMPT] * len(rows), drafts, DecodingLimits(STOP, most)
    )
    for (script, _), draft, decoded in zip(rows, drafts, decoded_chunks, strict=True):
        plain = _plainly(script, most)
        assert decoded.tokens == plain
        assert decoded.passes <= len(plain) + (len(plain) < most)
        expected = [
            _likelihood(script, (*PROMPT, *draft[:place]), token)
            for place, token in enumerate(draft)
        ]
        np.testing.assert_allclose(decoded.likelihoods, expected, rtol=1e-6)
        ended = [*plain, STOP][:most]
        own = [
            _likelihood(script, (*PROMPT, *plain[:place]), token)
            for place, token in enumerate(ended)
        ]
        assert decoded.mean == pytest.approx(np.mean(own), rel=1e-5)
        assert decoded.silence == _silence(script)
    assert passes.count == max(decoded.passes for decoded in decoded_chunks)


@given(st.lists(_SCRIPTS, min_size=1, max_size=6))
def test_right_drafts_take_one_pass_for_all(scripts: list[int]) -> None:
    most = 40
    passes = _Scripted()
    kv_cache = passes.kv_cache(len(scripts), 1, 100)
    kv_cache.audio[:, 0, 0] = torch.tensor(scripts)
    drafts = [_plainly(script, most)[: most - 1] for script in scripts]
    decoded_chunks = decode(
        passes, kv_cache, [PROMPT] * len(scripts), drafts, DecodingLimits(STOP, most)
    )
    assert passes.count == 1
    assert [decoded.tokens for decoded in decoded_chunks] == [
        _plainly(each, most) for each in scripts
    ]


@pytest.mark.parametrize(
    ("draft", "given_up", "said"),
    [
        ([], True, 12),
        ([], False, 40),
        # All of it is expected: nothing is wrong with that.
        ([1, 2] * 8, True, 17),
    ],
)
def test_what_goes_round_is_given_up_where_it_may_be(
    draft: list[int], given_up: bool, said: int
) -> None:
    passes = _Scripted()
    kv_cache = passes.kv_cache(1, 1, 100)
    kv_cache.audio[0, 0, 0] = STUCK
    (decoded,) = decode(passes, kv_cache, [PROMPT], [draft], DecodingLimits(STOP, 40, given_up))
    assert decoded.tokens == ([1, 2] * 20)[:said]
    assert decoded.given_up is given_up
