"""The search for transcripts: against plain loops over whole passes of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from audio_score_server.runners.precision import Precision
from audio_score_server.runners.whisper.cached_decoder import CachedDecoder
from audio_score_server.runners.whisper.checkpoint import WhisperCheckpoint, load_whisper
from audio_score_server.runners.whisper.hallucination import is_looping
from audio_score_server.runners.whisper.search import Hypothesis, Search, SearchOptions
from tests.checkpoints import make_whisper

CPU: Final = torch.device("cpu")
MOST: Final = 12
PROMPT: Final = 4


class Twin:
    """A small checkpoint as the package has it, and as transformers has it."""

    def __init__(self, folder: Path) -> None:
        make_whisper(folder, letters=True, seed=1)
        self.checkpoint: WhisperCheckpoint = load_whisper(
            folder, folder, CPU, Precision(torch.float32), 8
        )
        whisper: Any = WhisperForConditionalGeneration
        self.model = whisper.from_pretrained(folder, dtype=torch.float32).eval()
        width, positions = self.model.config.d_model, self.model.config.max_source_positions
        self.audio = torch.randn(5, positions, width, generator=torch.Generator().manual_seed(3))
        self.decoder = self.checkpoint.transcriber.decoder
        self.vocabulary = self.checkpoint.transcriber.vocabulary

    def prompt(self, before: Sequence[int] = ()) -> list[int]:
        return [*before, *self.vocabulary.prompt(next(iter(self.vocabulary.languages)))]

    def options(self, width: int, temperature: float = 0.0) -> SearchOptions:
        return SearchOptions(
            self.vocabulary.stop,
            MOST,
            width,
            temperature,
            self.decoder.logit_mask,
            self.decoder.first_logit_mask,
        )

    def search(
        self, places: Sequence[int], prompts: Sequence[list[int]], width: int, **options: float
    ) -> list[Hypothesis]:
        with torch.inference_mode():
            search = Search(
                CachedDecoder(self.decoder),
                self.audio[list(places)],
                prompts,
                self.options(width, **options),
            )
            # Interrupted before every pass.
            turns = iter(range(10_000))
            while not search.advance(lambda: next(turns) % 2 == 1):
                pass
        return search.results()

    def logprobs(self, place: int, tokens: list[int], first: bool) -> torch.Tensor:
        """What transformers thinks comes next."""
        with torch.inference_mode():
            hidden = self.model.model.decoder(
                input_ids=torch.tensor([tokens]),
                encoder_hidden_states=self.audio[place : place + 1],
            ).last_hidden_state[0, -1]
            scores = self.model.proj_out(hidden)
        mask = self.decoder.first_logit_mask if first else self.decoder.logit_mask
        logprobs: torch.Tensor = (scores + mask).log_softmax(dim=0)
        return logprobs


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """Made once."""
    return Twin(tmp_path_factory.mktemp("whisper"))


def _plain_beam_search(twin: Twin, place: int, prompt: list[int], width: int) -> list[int]:
    """As Whisper's authors have it, one hypothesis after the other."""
    alive = [Hypothesis([], [])]
    ended: list[Hypothesis] = []
    for step in range(MOST):
        candidates = []
        for own in alive:
            following = twin.logprobs(place, [*prompt, *own.tokens], step == 0)
            values, tokens = following.topk(width + 1)
            candidates += [
                Hypothesis([*own.tokens, token], [*own.logprobs, value])
                for token, value in zip(tokens.tolist(), values.tolist(), strict=True)
            ]
        candidates.sort(key=lambda each: -sum(each.logprobs))
        alive = []
        for each in candidates:
            if len(alive) == width:
                break
            if each.tokens[-1] == twin.vocabulary.stop:
                ended.append(Hypothesis(each.tokens[:-1], each.logprobs))
            elif is_looping(each.tokens):
                ended.append(each)
            else:
                alive.append(each)
        if len(ended) >= width:
            break
    return max(ended or alive, key=lambda each: each.mean).tokens


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_beam_search_finds_what_a_plain_one_finds(twin: Twin, width: int) -> None:
    prompt = twin.prompt()
    found = twin.search(range(5), [prompt] * 5, width)
    assert [each.tokens for each in found] == [
        _plain_beam_search(twin, place, prompt, width) for place in range(5)
    ]
    assert any(each.tokens for each in found)


def test_prompts_of_different_lengths_go_together(twin: Twin) -> None:
    prompts = [twin.prompt([9] * count) for count in (0, 3, 1, 0, 7)]
    together = twin.search(range(5), prompts, 3)
    alone = [twin.search([place], [prompt], 3)[0] for place, prompt in enumerate(prompts)]
    assert [each.tokens for each in together] == [each.tokens for each in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_logprobs_are_those_of_the_tokens(twin: Twin) -> None:
    prompt = twin.prompt()
    (found,) = twin.search([2], [prompt], 5)
    fed = list(prompt)
    for place, (token, logprob) in enumerate(zip(found.tokens, found.logprobs, strict=False)):
        assert float(twin.logprobs(2, fed, place == 0)[token]) == pytest.approx(logprob, abs=1e-4)
        fed.append(token)


def test_samples_are_the_same_on_every_run_and_differ_from_the_likeliest(twin: Twin) -> None:
    prompts = [twin.prompt()] * 5
    first = twin.search(range(5), prompts, 5, temperature=1.0)
    again = twin.search(range(5), prompts, 5, temperature=1.0)
    greedy = twin.search(range(5), prompts, 1)
    assert [each.tokens for each in first] == [each.tokens for each in again]
    assert [each.tokens for each in first] != [each.tokens for each in greedy]


def test_cold_samples_are_the_likeliest(twin: Twin) -> None:
    prompts = [twin.prompt()] * 5
    cold = twin.search(range(5), prompts, 3, temperature=1e-4)
    greedy = twin.search(range(5), prompts, 1)
    assert [each.tokens for each in cold] == [each.tokens for each in greedy]
