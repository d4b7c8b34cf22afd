"""Greedy decoding that has a draft verified instead of writing token by token.

What comes out is what plain greedy decoding would write: every token is the likeliest after those
before it, whoever guessed it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from audio_score_server.domain import FloatArray, IntArray
from audio_score_server.runners.whisper.drafting import Draft
from audio_score_server.runners.whisper.hallucination import is_looping
from audio_score_server.runners.whisper.kv_cache import KVCache


@dataclass(frozen=True, slots=True)
class GreedyChoices:
    """``decoder.Choices`` in this process's memory."""

    tokens: IntArray
    followed: FloatArray
    chosen: FloatArray
    silence: FloatArray


class Passes(Protocol):
    """Passes of a decoder, however they are brought to the device."""

    def kv_cache(self, rows: int, positions: int, capacity: int) -> KVCache:
        """Memory for a batch of transcripts."""
        ...

    def __call__(
        self, kv_cache: KVCache, tokens: list[list[int]], starts: list[int], skipped: int
    ) -> GreedyChoices:
        """``TextDecoder.choices`` for rows of different lengths."""
        ...


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """When a transcript ends.

    Attributes:
        stop: the token that ends it.
        most: longest transcript in tokens, the prompt not counted.
        given_up: whether it ends where it begins to say the same for ever, too.
    """

    stop: int
    most: int
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """What was read from one recording.

    Attributes:
        tokens: the transcript, without prompt and end.
        likelihoods: float32 ``[draft]``: log-probability of each token of the draft, given the
            sound and the draft before it.
        mean: of the log-probabilities of the transcript's own tokens, its end among them.
        silence: probability that nobody speaks, by the decoder.
        passes: decoder passes that it took.
        given_up: whether it was ended since it said the same again and again.
    """

    tokens: list[int]
    likelihoods: FloatArray
    mean: float
    silence: float
    passes: int
    given_up: bool = False


class _Row:
    """One transcript in the making."""

    def __init__(
        self, place: int, prompt: Sequence[int], draft: Sequence[int], limits: DecodingLimits
    ):
        self.place = place
        self.likelihoods = np.empty(0, np.float32)
        self.said: list[int] = []
        self.silence = 0.0
        self.passes = 0
        self.done = False
        self.given_up = False
        self.start = 0
        self._fed = list(prompt)
        self._draft = Draft(draft)
        self._limits = limits
        self._guess = self._next_guess()
        self._chosen: list[float] = []

    def feed(self) -> list[int]:
        """Tokens that the decoder has not seen: the last known ones and a guess."""
        return self._fed + self._guess

    def update(self, chosen: GreedyChoices, row: int) -> None:
        """Learn what greedy decoding chooses after the last known token and after each guess."""
        choices = chosen.tokens[row]
        if not self.passes:
            self.likelihoods = chosen.followed[row, : len(self._guess)].copy()
            self.silence = float(chosen.silence[row])
        self.passes += 1
        held = 0
        # A text may hold the token that ends transcripts; nothing behind it is said.
        while held < len(self._guess) and choices[held] == self._guess[held] != self._limits.stop:
            held += 1
        own = int(choices[held])
        self.said += [*self._guess[:held], own]
        self._chosen += chosen.chosen[row, : held + 1].tolist()
        self.start += len(self._fed) + held
        self._fed = [own]
        self._draft.follow(len(self._guess), held, own)
        if own == self._limits.stop:
            self.said.pop()
        self._guess = self._next_guess()
        self.done = own == self._limits.stop or len(self.said) >= self._limits.most
        # What is expected may say the same again and again.
        self.given_up = self._limits.given_up and not self._guess and is_looping(self.said)
        self.done |= self.given_up

    def decoded(self) -> DecodedChunk:
        """What it came to."""
        mean = sum(self._chosen) / len(self._chosen)
        return DecodedChunk(
            self.said, self.likelihoods, mean, self.silence, self.passes, self.given_up
        )

    def _next_guess(self) -> list[int]:
        # One less than is left: each pass brings a token of its own.
        return self._draft.guess(max(0, self._limits.most - len(self.said) - 1))


def decode(
    passes: Passes,
    kv_cache: KVCache,
    prompts: Sequence[Sequence[int]],
    drafts: Sequence[Sequence[int]],
    limits: DecodingLimits,
) -> list[DecodedChunk]:
    """Transcribe a batch.

    Args:
        passes: of the decoder.
        kv_cache: its memory, the encoder's output of each row in place.
        prompts: what each transcript starts with, all of one length.
        drafts: what each is expected to say, maybe nothing; no longer than ``limits.most - 1``.
        limits: when transcripts end.

    Returns:
        A reading for each row. They advance together, each by as many tokens as hold; finished
        ones leave the batch.
    """
    rows = [
        _Row(place, prompt, draft, limits)
        for place, (prompt, draft) in enumerate(zip(prompts, drafts, strict=True))
    ]
    finished: list[_Row] = []
    skipped = len(prompts[0]) - 1
    while rows:
        starts = [row.start for row in rows]
        chosen = passes(kv_cache, [row.feed() for row in rows], starts, skipped)
        skipped = 0
        for place, row in enumerate(rows):
            row.update(chosen, place)
        finished += _leave(rows, kv_cache)
    finished.sort(key=lambda row: row.place)
    return [row.decoded() for row in finished]


def _leave(rows: list[_Row], kv_cache: KVCache) -> list[_Row]:
    """Take finished rows out; the last rows move into their places."""
    gone = []
    for place in reversed(range(len(rows))):
        if not rows[place].done:
            continue
        gone.append(rows[place])
        last = rows.pop()
        if place < len(rows):
            kv_cache.move(len(rows), place)
            rows[place] = last
    return gone
