"""Writing down what an encoder heard, with what should have been said as a draft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Final

import numpy as np
import torch

from audio_score_server.domain import FloatArray
from audio_score_server.runners.whisper.decoder import TextDecoder
from audio_score_server.runners.whisper.drafting import covered_by
from audio_score_server.runners.whisper.greedy import DecodedChunk, DecodingLimits, Passes, decode
from audio_score_server.runners.whisper.hallucination import hallucination_signs, no_speech
from audio_score_server.runners.whisper.kv_cache import KVCache
from audio_score_server.runners.whisper.likelihoods import likelihoods
from audio_score_server.runners.whisper.passes import EagerPasses, ReplayedPasses
from audio_score_server.runners.whisper.vocabulary import DraftText, Vocabulary, joined
from audio_score_server.runners.whisper.windowed_encoder import EncodedChunk
from audio_score_server.runners.workers import Workers
from audio_score_server.tokenization import words

_ENGLISH: Final = "en"
"""What checkpoints of one language know."""


@dataclass(frozen=True, slots=True)
class Task:
    """One recording to be transcribed.

    Attributes:
        chunks: the parts in which there is speech, as the encoder heard them.
        language: code; None to find out.
        expected: what it should say; empty where that is not known.
        others: texts whose evidence is wanted besides.
    """

    chunks: list[EncodedChunk]
    language: str | None
    expected: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was written.

    Attributes:
        text: the transcript.
        language: code of the language it is in; None where that was not found out.
        evidence: float32 ``[expected words]``: probability of each, given the sound and the words
            before it.
        passes: decoder passes that it took.
        retried: parts that were heard again, in the longest window.
        others: like ``evidence``, of each of the task's ``others``.
    """

    text: str
    language: str | None
    evidence: FloatArray
    passes: int
    retried: int
    others: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class _TranscribedChunk:
    """What one part says.

    Attributes:
        decoded: its tokens.
        text: of those.
        language: code; None where the model knows but one.
        hallucination_signs: how many there are.
        hidden: what it was read from, ``[positions, width]``.
        no_speech: whether nobody speaks there.
    """

    decoded: DecodedChunk
    text: str
    language: str | None
    hallucination_signs: int
    hidden: torch.Tensor
    no_speech: bool = False


class Transcriber:
    """A decoder with its vocabulary."""

    def __init__(
        self,
        decoder: TextDecoder,
        vocabulary: Vocabulary,
        most_rows: int,
        workers: Workers | None = None,
    ) -> None:
        """Put them together.

        Args:
            decoder: the decoder.
            vocabulary: its tokens.
            most_rows: transcripts that are written at once.
            workers: on a processor, who writes them.
        """
        self._workers = workers
        self.vocabulary = vocabulary
        self.decoder = decoder
        self._most_rows = most_rows
        self._passes: Passes = EagerPasses(decoder)

    def capture(self, positions: Sequence[int]) -> None:
        """On CUDA, record the passes for encoder outputs of such lengths, to replay them."""
        if self.decoder.device.type == "cuda" and isinstance(self._passes, EagerPasses):
            self._passes = ReplayedPasses(
                self.decoder, self._most_rows, positions, self.vocabulary.prompt_length
            )

    def transcribe(self, tasks: Sequence[Task], most_tokens: int) -> list[Transcription]:
        """Write down a batch of recordings; each part at most ``most_tokens`` long."""
        prompt = self.vocabulary.prompt_length
        limits = DecodingLimits(
            self.vocabulary.stop, min(most_tokens, self.decoder.longest - prompt)
        )
        states = [_TranscriptState(task, self.vocabulary, limits.most) for task in tasks]
        write = partial(self._write, limits)
        while unfinished := [state for state in states if state.chunks]:
            batches = list(self._batches(unfinished))
            if self._workers:
                self._workers.map(write, [s for b in batches for s in self._workers.share(b)])
            else:
                for batch in batches:
                    write(batch)
        return [state.transcription() for state in states]

    def _batches(self, states: list[_TranscriptState]) -> Iterator[list[_TranscriptState]]:
        """Pages whose next parts were heard in windows of one length."""
        for _, group in groupby(sorted(states, key=_positions), key=_positions):
            alike = list(group)
            for first in range(0, len(alike), self._most_rows):
                yield alike[first : first + self._most_rows]

    def _write(self, limits: DecodingLimits, states: Sequence[_TranscriptState]) -> None:
        """Write down the next part of each page."""
        chunks = [state.chunks.pop(0) for state in states]
        written = self._read(limits, states, chunks, [chunk.hidden for chunk in chunks])
        for state, chunk, first in zip(states, chunks, written, strict=True):
            best = first
            if first.hallucination_signs and chunk.retry is not None and not state.says(first.text):
                state.retried += 1
                last = replace(chunk, retry=None)
                (second,) = self._read(limits, [state], [last], [chunk.retry()])
                # In doubt as it would be without short windows.
                best = min(second, first, key=lambda each: each.hallucination_signs)
            state.update(best, self._others(state, best))

    def _others(self, state: _TranscriptState, written: _TranscribedChunk) -> list[FloatArray]:
        """Likelihoods of the drafts of a page's other texts, given what a part was read from."""
        drafts = [other.draft() for other in state.others]
        if written.no_speech:
            return [np.full(len(draft), -np.inf, np.float32) for draft in drafts]
        prompt = self.vocabulary.prompt(written.language)
        return likelihoods(self._passes, prompt, written.hidden, drafts, self._most_rows)

    def _read(
        self,
        limits: DecodingLimits,
        states: Sequence[_TranscriptState],
        chunks: Sequence[EncodedChunk],
        hidden: Sequence[torch.Tensor],
    ) -> list[_TranscribedChunk]:
        """Parts as they are heard in windows of one length, ``[positions, width]`` each."""
        drafts = [state.expected.draft() for state in states]
        # Every pass may be as wide as the widest first one.
        capacity = limits.most + 2 * self.vocabulary.prompt_length + max(map(len, drafts))
        kv_cache = self._passes.kv_cache(len(hidden), len(hidden[0]), capacity)
        for row, own in enumerate(hidden):
            kv_cache.audio[row] = own
        languages = self._languages([state.language for state in states], kv_cache)
        prompts = [self.vocabulary.prompt(language) for language in languages]
        # Given up where it can be heard again: in the longest window all is as Whisper has it.
        limits = replace(limits, given_up=all(chunk.retry is not None for chunk in chunks))
        decoded_chunks = decode(self._passes, kv_cache, prompts, drafts, limits)
        read = zip(chunks, decoded_chunks, languages, hidden, strict=True)
        return [self._checked(*each) for each in read]

    def _checked(
        self, chunk: EncodedChunk, decoded: DecodedChunk, language: str | None, hidden: torch.Tensor
    ) -> _TranscribedChunk:
        text = self.vocabulary.text(decoded.tokens)
        doubted = hallucination_signs(text, chunk.seconds, decoded.mean) + decoded.given_up
        if not no_speech(decoded.silence, decoded.mean, doubted):
            return _TranscribedChunk(decoded, text, language, doubted, hidden)
        unheard = np.full_like(decoded.likelihoods, -np.inf)
        silent = replace(decoded, tokens=[], likelihoods=unheard)
        return _TranscribedChunk(silent, "", language, 0, hidden, no_speech=True)

    def _languages(self, known: Sequence[str | None], kv_cache: KVCache) -> list[str | None]:
        """Where they are not known, by the likeliest language token, as Whisper does it."""
        if not self.vocabulary.languages:
            return [_ENGLISH] * len(known)
        if all(known):
            return list(known)
        allowed = torch.tensor(
            list(self.vocabulary.languages.values()), device=kv_cache.keys.device
        )
        best = self.decoder.best_of(kv_cache, self.vocabulary.start, allowed)
        found = map(self.vocabulary.language_of, best[: len(known)].tolist())
        return [own or likeliest for own, likeliest in zip(known, found, strict=True)]


class _TranscriptState:
    """The transcript of one recording, part by part."""

    def __init__(self, task: Task, vocabulary: Vocabulary, most: int) -> None:
        self.chunks = list(task.chunks)
        self.language = task.language
        self.retried = 0
        self._text = words(task.expected)
        self.expected = _Expected(vocabulary.draft(task.expected), most)
        self.others = [_Expected(vocabulary.draft(text), most) for text in task.others]
        self._written: list[_TranscribedChunk] = []

    def says(self, text: str) -> bool:
        """Whether a text is all that is expected: then it is right, however it looks."""
        return words(text) == self._text

    def update(self, written: _TranscribedChunk, others: Sequence[FloatArray]) -> None:
        """Keep what was read; ``others``: likelihoods of the other texts' drafts."""
        decoded = written.decoded
        self.language = written.language
        self.expected.update(decoded.tokens, decoded.likelihoods, last=not self.chunks)
        for other, own in zip(self.others, others, strict=True):
            other.update(decoded.tokens, own, last=not self.chunks)
        self._written.append(written)

    def transcription(self) -> Transcription:
        return Transcription(
            joined([written.text for written in self._written]),
            self.language,
            self.expected.evidence(),
            sum(written.decoded.passes for written in self._written),
            self.retried,
            tuple(other.evidence() for other in self.others),
        )


def _positions(state: _TranscriptState) -> int:
    """How many the next part has."""
    return len(state.chunks[0].hidden)


class _Expected:
    """A text that one recording may say, and how far it has come with it."""

    def __init__(self, text: DraftText, most: int) -> None:
        self._text = text
        self._most = most
        self._likelihoods = [np.empty(0, np.float32)]
        self._covered = 0

    def draft(self) -> list[int]:
        """What is still expected, as much of it as one part can say."""
        return self._text.tokens[self._covered : self._covered + self._most - 1]

    def update(self, said: Sequence[int], likelihoods: FloatArray, last: bool) -> None:
        """Keep what a part says of the draft, and what is left for the parts to come."""
        draft = self.draft()
        covered = len(draft) if last else covered_by(draft, said)
        self._covered += covered
        self._likelihoods.append(likelihoods[:covered])

    def evidence(self) -> FloatArray:
        """Probability of each word."""
        return self._text.evidence(np.concatenate(self._likelihoods))
