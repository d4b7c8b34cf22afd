"""Windows of recordings to words, by Whisper's decoder without a draft.

The recipe is Whisper's own (Radford et al., 2022, section 4.5): beam search first, and samples of
rising temperature for what looks made up. Windows of several recordings are written together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
import torch

from audio_score_server.domain import FloatArray, Waveform
from audio_score_server.runners.priority_lock import PriorityLock
from audio_score_server.runners.whisper.attention_times import token_times
from audio_score_server.runners.whisper.cached_decoder import CachedDecoder
from audio_score_server.runners.whisper.decoder import TextDecoder
from audio_score_server.runners.whisper.hallucination import hallucination_signs, no_speech
from audio_score_server.runners.whisper.search import Hypothesis, Search, SearchOptions
from audio_score_server.runners.whisper.vocabulary import Vocabulary
from audio_score_server.runners.whisper.windowed_encoder import AudioChunk, WindowedEncoder
from audio_score_server.runners.workers import Workers
from audio_score_server.transcription.recognition import (
    Recognition,
    RecognitionTask,
    RecognizedWord,
)

_TEMPERATURES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_SAMPLES: Final = 5
"""Of each temperature above nought; the likeliest is taken."""
_CACHE_BYTES: Final = {"cpu": 2**28, "cuda": 2**31}
"""What the decoder may remember of the windows of a batch."""
_MOST_WINDOWS: Final = {"cpu": 6, "cuda": 16}
_PROMPT_SHARE: Final = 2
"""Of the decoder's positions, one in so many is for the text before a window."""

Task = RecognitionTask[torch.Tensor]


@dataclass(slots=True)
class _State:
    """One window on its way to words."""

    task: Task
    language: str | None
    language_probability: float = 1.0
    attempts: list[_Attempt] = field(default_factory=list)

    @property
    def hidden(self) -> torch.Tensor:
        """What the decoder listens to, ``[positions, width]``."""
        return self.task.features

    @property
    def positions(self) -> int:
        return len(self.hidden)

    @property
    def temperature(self) -> float:
        """Of the next attempt."""
        first = self.task.temperature
        return (first, *(each for each in _TEMPERATURES if each > first))[len(self.attempts)]

    @property
    def is_open(self) -> bool:
        """Whether there is to be another attempt."""
        last = self.attempts[-1] if self.attempts else None
        return last is None or not (last.is_final or last.temperature >= _TEMPERATURES[-1])

    def best(self) -> _Attempt:
        """As Whisper's recipe: the last one, unless an earlier one looks better."""
        return min(reversed(self.attempts), key=lambda each: each.signs)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What a window says at one temperature."""

    hypothesis: Hypothesis
    silence: float
    temperature: float
    signs: int
    silent: bool

    @property
    def is_final(self) -> bool:
        return self.silent or not self.signs


class WhisperRecognizer:
    """A checkpoint that writes windows down; ``recognize`` is for one thread at a time."""

    def __init__(
        self,
        encoder: WindowedEncoder,
        decoder: TextDecoder,
        cached: CachedDecoder,
        vocabulary: Vocabulary,
        lock: PriorityLock,
        workers: Workers | None,
    ) -> None:
        """Put the parts of a checkpoint together; ``lock`` is held while they work."""
        self._encoder, self._decoder, self._vocabulary = encoder, decoder, vocabulary
        self._cached = cached
        self._lock, self._workers = lock, workers
        self.longest_s = encoder.longest_s

    @property
    def languages(self) -> list[str]:
        """Codes of the languages that it knows."""
        return self._vocabulary.codes

    @property
    def batch_size(self) -> int:
        """Windows that are best written together."""
        device = self._decoder.device.type
        size = self._cached.window_bytes(max(self._encoder.positions))
        return min(_MOST_WINDOWS[device], max(_CACHE_BYTES[device] // size, 1))

    @property
    def _encoding_cores(self) -> int:
        """Half of the processor's; the decoder has the other half."""
        assert self._workers is not None
        return max(1, (self._workers.count + 1) // 2)

    def prepare(self, waveform: Waveform) -> AudioChunk:
        """A window's spectrogram; no longer than ``longest_s``."""
        return self._encoder.chunk(waveform)

    @property
    def encoded_at_once(self) -> int:
        """Windows that are best encoded together."""
        return self._encoding_cores if self._workers else self.batch_size

    def encode(self, chunks: Sequence[AudioChunk]) -> list[torch.Tensor]:
        """Windows as the encoder hears them, ``[positions, width]``; beside what is written."""
        with torch.inference_mode(), self._lock.turn():
            if self._workers:
                alone = self._lock.turns == 1
                torch.set_num_threads(self._workers.count if alone else self._encoding_cores)
            return self._encoder.hidden(chunks, self.encoded_at_once)

    def recognize(self, tasks: Sequence[Task]) -> list[Recognition]:
        """Write down a batch of windows, in order; gives way to scores between passes."""
        with torch.inference_mode():
            if self._workers:
                # Another core encodes meanwhile. A step of the decoder is hundreds of small
                # operations: threads that share them wait for each other most of the time.
                torch.set_num_threads(max(1, self._workers.count - self._encoding_cores))
            states = [_State(task, self._vocabulary.known(task.language)) for task in tasks]
            self._find_languages(states)
            while open_states := [state for state in states if state.is_open]:
                self._attempt(open_states)
            return self._recognitions(states)

    def _find_languages(self, states: Sequence[_State]) -> None:
        """By the likeliest language token, where nobody has told."""
        unknown = [state for state in states if state.language is None]
        codes = self._vocabulary.languages
        for state in unknown:
            with self._lock.turn():
                cache = self._decoder.kv_cache(1, state.positions, 1)
                cache.audio[0] = state.hidden
                tokens = torch.tensor(list(codes.values()), device=state.hidden.device)
                shares = self._decoder.shares_of(cache, self._vocabulary.start, tokens)[0]
            place = int(shares.argmax())
            state.language, state.language_probability = list(codes)[place], float(shares[place])

    def _attempt(self, states: Sequence[_State]) -> None:
        """The next attempt for each window; those that are alike together."""

        def key(state: _State) -> tuple[float, int, int]:
            return state.temperature, state.positions, state.task.beam_size

        for (temperature, *_), group in groupby(sorted(states, key=key), key=key):
            alike = list(group)
            for first in range(0, len(alike), self.batch_size):
                self._search(alike[first : first + self.batch_size], temperature)

    def _search(self, states: Sequence[_State], temperature: float) -> None:
        """One attempt for windows that were heard in windows of one length."""
        with self._lock.turn():
            search, silences = self._begin(temperature, states)
        done = False
        while not done:
            with self._lock.turn() as interrupted:
                done = search.advance(interrupted)
        for state, each, silence in zip(states, search.results(), silences, strict=True):
            state.attempts.append(self._judged(state, each, silence, temperature))

    def _begin(self, temperature: float, states: Sequence[_State]) -> tuple[Search, list[float]]:
        """A search, and how likely nobody speaks in each of its windows."""
        vocabulary, decoder = self._vocabulary, self._decoder
        prompts = [self._prompt(state) for state in states]
        starts = [prompt.index(vocabulary.start) for prompt in prompts]
        options = SearchOptions(
            stop=vocabulary.stop,
            most=decoder.longest - max(map(len, prompts)),
            width=_SAMPLES if temperature else states[0].task.beam_size,
            temperature=temperature,
            mask=decoder.logit_mask,
            first_mask=decoder.first_logit_mask,
        )
        hidden = torch.stack([state.hidden for state in states])
        search = Search(self._cached, hidden, prompts, options)
        scores = search.start_scores(starts).softmax(dim=1)
        return search, scores[:, decoder.silence].tolist()

    def _prompt(self, state: _State) -> list[int]:
        most = self._decoder.longest // _PROMPT_SHARE - 1
        return [
            *self._vocabulary.previous(state.task.prompt, most),
            *self._vocabulary.prompt(state.language),
        ]

    def _judged(
        self, state: _State, hypothesis: Hypothesis, silence: float, temperature: float
    ) -> _Attempt:
        text = self._vocabulary.text(hypothesis.tokens)
        signs = hallucination_signs(text, state.task.seconds, hypothesis.mean)
        silent = no_speech(silence, hypothesis.mean, signs)
        return _Attempt(hypothesis, silence, temperature, signs, silent)

    def _recognitions(self, states: Sequence[_State]) -> list[Recognition]:
        found = []
        for state in states:
            best = state.best()
            times = None
            if state.task.word_times and not best.silent and best.hypothesis.tokens:
                with self._lock.turn():
                    times = self._times(state, best.hypothesis.tokens)
            found.append(self._recognition(state, best, times))
        return found

    def _times(self, state: _State, tokens: list[int]) -> FloatArray:
        return token_times(
            self._cached,
            state.hidden,
            self._vocabulary.prompt(state.language),
            tokens,
            self._vocabulary.alignment_heads or self._upper_heads(),
            state.task.seconds,
        )

    def _upper_heads(self) -> list[tuple[int, int]]:
        """Where a checkpoint does not say which heads attend in time, Whisper's own choice."""
        layers = len(self._decoder.layers)
        heads = self._decoder.layers[0].heads
        return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]

    def _recognition(self, state: _State, best: _Attempt, times: FloatArray | None) -> Recognition:
        tokens = [] if best.silent else best.hypothesis.tokens
        probabilities = np.exp(best.hypothesis.logprobs[: len(tokens)])
        words = tuple(
            RecognizedWord(
                text,
                float(probabilities[first:stop].mean()),
                None if times is None else float(times[first]),
                None if times is None else float(times[stop]),
            )
            for text, first, stop in self._vocabulary.words(tokens)
        )
        assert state.language is not None
        return Recognition(
            words,
            state.language,
            state.language_probability,
            best.hypothesis.mean,
            best.silence,
            best.temperature,
        )
