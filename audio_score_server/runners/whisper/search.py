"""Search for the likeliest transcripts of a batch of windows: beam search, greedy, sampling.

Beam search as Whisper's authors have it (Radford et al., 2022): a hypothesis that ends is set
aside, a window is done when as many have ended as the beam is wide, and the best has the highest
mean log-probability. A beam of one is greedy decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch.nn import functional

from audio_score_server.runners.whisper.cached_decoder import CachedDecoder
from audio_score_server.runners.whisper.hallucination import is_looping

_SHRINK: Final = 0.75
"""Share of windows that are still being written below which the others are taken out: moving the
rest costs as much as a few passes."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How transcripts are searched for.

    Attributes:
        stop: the token that ends a transcript.
        most: longest transcript in tokens, without its prompt.
        width: hypotheses at once: of the beam, or samples.
        temperature: 0 for a beam search, else that of samples.
        mask: float32 ``[vocabulary]``, added to all scores.
        first_mask: instead of ``mask``, for the first token of a transcript.
    """

    stop: int
    most: int
    width: int
    temperature: float
    mask: torch.Tensor
    first_mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One possible transcript.

    Attributes:
        tokens: without prompt and end.
        logprobs: log-probability of each token, and of the end where there is one.
    """

    tokens: list[int]
    logprobs: list[float]

    @property
    def mean(self) -> float:
        """Mean log-probability."""
        return sum(self.logprobs) / max(1, len(self.logprobs))


@dataclass(slots=True)
class _Window:
    """What is known of one window."""

    alive: list[Hypothesis] = field(default_factory=list)
    ended: list[Hypothesis] = field(default_factory=list)
    done: bool = False

    def best(self) -> Hypothesis:
        return max(self.ended or self.alive, key=lambda each: each.mean)


class Search:
    """The search over one batch, which can be interrupted between any two passes."""

    def __init__(
        self,
        decoder: CachedDecoder,
        audio: torch.Tensor,
        prompts: Sequence[Sequence[int]],
        options: SearchOptions,
        seed: int = 0,
    ) -> None:
        """Feed the prompts.

        Args:
            decoder: the decoder.
            audio: the windows as the encoder heard them, ``[windows, positions, width]``.
            prompts: what the transcript of each window starts with; maybe of different lengths.
            options: how to search.
            seed: of samples.
        """
        self._decoder, self._options = decoder, options
        self._rows = [_Window() for _ in prompts]
        self._windows = tuple(self._rows)
        self._generator = torch.Generator(audio.device).manual_seed(seed)
        self._cache = decoder.cache(audio)
        self._starts, hidden = self._fed(prompts)
        self._count = 0
        self._hidden: torch.Tensor | None = hidden[:, -1:]
        self._seen = self._prompt_seen.expand(-1, options.width, -1)
        self._sums = torch.zeros(len(prompts), 1)
        self._next = torch.zeros(0)

    def advance(self, interrupted: Callable[[], bool]) -> bool:
        """Search on until all windows are done or somebody interrupts; whether they are done."""
        while self._rows and not interrupted():
            self._step()
        return not self._rows

    def results(self) -> list[Hypothesis]:
        """The best of each window, in order."""
        return [window.best() for window in self._windows]

    def start_scores(self, place_of_start: Sequence[int]) -> torch.Tensor:
        """Scores ``[windows, vocabulary]`` behind each prompt's token at such a place."""
        rows = torch.arange(len(place_of_start), device=self._prompt_hidden.device)
        columns = torch.tensor(place_of_start, device=rows.device) + self._padding
        return self._decoder.scores(self._prompt_hidden[rows, columns])

    def _fed(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Lengths of the prompts, and what came of feeding them, the shorter ones padded before."""
        longest = max(map(len, prompts))
        device = self._cache.own[0][0].device
        padding = torch.tensor([longest - len(prompt) for prompt in prompts])
        tokens = torch.tensor([[0] * (longest - len(own)) + list(own) for own in prompts])
        columns = torch.arange(longest)
        places = (columns - padding[:, None]).clamp(min=0)
        known = columns >= padding[:, None]
        visible = (columns <= columns[:, None]) & known[:, None]
        # What pads sees itself: a softmax over nothing is no number.
        visible |= torch.eye(longest, dtype=torch.bool)
        found = self._decoder.run(
            self._cache, tokens.to(device), places.to(device), visible.to(device)
        )
        self._prompt_hidden, self._padding = found.hidden, padding.to(device)
        self._prompt_seen = known[:, None].to(device)
        return torch.tensor([len(prompt) for prompt in prompts], device=device), found.hidden

    def _step(self) -> None:
        """Choose the next tokens, and feed those of hypotheses that go on."""
        hidden = self._hidden if self._hidden is not None else self._feed()
        self._hidden = None
        options = self._options
        scores = self._decoder.scores(hidden)
        scores += options.mask if self._count else options.first_mask
        logprobs = _logprobs(scores)
        self._count += 1
        if options.temperature > 0:
            tokens, own, parents = self._sampled(logprobs)
        else:
            tokens, own, parents = self._extended(logprobs)
        self._update(tokens, own, parents)

    def _feed(self) -> torch.Tensor:
        """Hidden states behind the newest token of each hypothesis."""
        device = self._seen.device
        windows, width, _ = self._seen.shape
        fresh = torch.eye(width, dtype=torch.bool, device=device).expand(windows, -1, -1)
        self._seen = torch.cat([self._seen, fresh], dim=2)
        places = (self._starts + self._count - 1)[:, None].expand(-1, width)
        found = self._decoder.run(self._cache, self._next, places, self._seen)
        return found.hidden

    def _extended(self, logprobs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Candidates of a beam search, best first, ``[windows, candidates]`` each."""
        windows = len(logprobs)
        own, tokens = logprobs.topk(self._options.width + 1, dim=2)
        totals = self._sums.to(own.device)[:, :, None] + own
        order = totals.view(windows, -1).topk(min(2 * self._options.width, totals[0].numel()))
        parents = order.indices // own.shape[2]
        return (
            tokens.view(windows, -1).gather(1, order.indices),
            own.view(windows, -1).gather(1, order.indices),
            parents,
        )

    def _sampled(self, logprobs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One token for each sample."""
        windows, rows, _ = logprobs.shape
        width = self._options.width
        spread = (logprobs / self._options.temperature).softmax(dim=2)
        draws = width // rows
        flat = spread.view(windows * rows, -1)
        tokens = torch.multinomial(flat, draws, replacement=True, generator=self._generator)
        own = logprobs.view(windows * rows, -1).gather(1, tokens)
        parents = torch.arange(rows, device=tokens.device).repeat_interleave(draws)
        return (
            tokens.view(windows, width),
            own.view(windows, width),
            parents.expand(windows, -1),
        )

    def _update(self, tokens: torch.Tensor, own: torch.Tensor, parents: torch.Tensor) -> None:
        """Let hypotheses go on, fork and end."""
        candidates = zip(tokens.tolist(), own.tolist(), parents.tolist(), strict=True)
        going = [
            self._grown(window, list(zip(*each, strict=True)))
            for window, each in zip(self._rows, candidates, strict=True)
        ]
        device = self._seen.device
        self._next = torch.tensor([[token for token, _ in row] for row in going], device=device)
        sources = torch.tensor([[parent for _, parent in row] for row in going], device=device)
        columns = sources[:, :, None].expand(-1, -1, self._seen.shape[2])
        self._seen = self._seen.gather(1, columns)
        self._sums = torch.tensor(
            [[sum(each.logprobs) for each in window.alive] for window in self._rows]
        )
        self._leave()

    def _grown(
        self, window: _Window, candidates: list[tuple[int, float, int]]
    ) -> list[tuple[int, int]]:
        """Tokens and parents of the hypotheses that go on, as many as before."""
        options = self._options
        idle = [(options.stop, 0)] * options.width
        if window.done:
            return idle
        alive: list[Hypothesis] = []
        going: list[tuple[int, int]] = []
        for token, logprob, parent in candidates:
            if len(alive) == options.width:
                break
            before = window.alive[parent] if window.alive else Hypothesis([], [])
            grown = Hypothesis([*before.tokens, token], [*before.logprobs, logprob])
            if token == options.stop:
                window.ended.append(Hypothesis(before.tokens, grown.logprobs))
            elif is_looping(grown.tokens):
                window.ended.append(grown)
            else:
                alive.append(grown)
                going.append((token, parent))
        enough = len(window.ended) >= options.width or self._count >= options.most
        window.done = enough or not alive
        while alive and len(alive) < options.width:
            # Nothing comes of these: they only fill the batch.
            alive.append(Hypothesis(alive[-1].tokens, [*alive[-1].logprobs[:-1], -torch.inf]))
            going.append(going[-1])
        window.alive = alive or [Hypothesis([], [-torch.inf])] * options.width
        return going or idle

    def _leave(self) -> None:
        """Take windows out that are done, when it is worth it."""
        kept = [row for row, window in enumerate(self._rows) if not window.done]
        if len(kept) > _SHRINK * len(self._rows):
            return
        self._rows = [self._rows[row] for row in kept]
        if kept:
            places = torch.tensor(kept, device=self._seen.device)
            self._cache.keep(kept)
            self._seen, self._starts = self._seen[places], self._starts[places]
            self._next, self._sums = self._next[places], self._sums[kept]


def _logprobs(scores: torch.Tensor) -> torch.Tensor:
    return functional.log_softmax(scores, dim=-1)
