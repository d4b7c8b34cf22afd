"""Writing down what an encoder heard, with what should have been said as a draft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from audio_score_server.domain import FloatArray
from audio_score_server.runners.whisper.decoder import Session, TextDecoder
from audio_score_server.runners.whisper.drafting import said_of
from audio_score_server.runners.whisper.greedy import Limits, Passes, Reading, decode
from audio_score_server.runners.whisper.likelihoods import likelihoods
from audio_score_server.runners.whisper.passes import EagerPasses, ReplayedPasses
from audio_score_server.runners.whisper.vocabulary import DraftText, Vocabulary, joined
from audio_score_server.runners.workers import Workers


@dataclass(frozen=True, slots=True)
class Task:
    """One recording to be transcribed.

    Attributes:
        parts: encoder output ``[positions, width]`` of each part in which there is speech.
        language: code; None to find out.
        expected: what it should say; empty where that is not known.
        others: texts whose evidence is wanted besides.
    """

    parts: list[torch.Tensor]
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
        others: like ``evidence``, of each of the task's ``others``.
    """

    text: str
    language: str | None
    evidence: FloatArray
    passes: int
    others: tuple[FloatArray, ...]


class Scribe:
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
        self._decoder = decoder
        self._most_rows = most_rows
        self._passes: Passes = EagerPasses(decoder)

    def capture(self, positions: int) -> None:
        """On CUDA, record the passes for encoder outputs of so many positions, to replay them."""
        if self._decoder.device.type == "cuda" and isinstance(self._passes, EagerPasses):
            self._passes = ReplayedPasses(
                self._decoder, self._most_rows, positions, self.vocabulary.prompt_length
            )

    def transcribe(self, tasks: Sequence[Task], most_tokens: int) -> list[Transcription]:
        """Write down a batch of recordings; each part at most ``most_tokens`` long."""
        prompt = self.vocabulary.prompt_length
        limits = Limits(self.vocabulary.stop, min(most_tokens, self._decoder.longest - prompt))
        pages = [_Page(task, self.vocabulary, limits.most) for task in tasks]
        write = partial(self._write, limits)
        for batch in self._batches(pages):
            if self._workers:
                self._workers.map(write, self._workers.share(batch))
            else:
                write(batch)
        return [page.transcription(self.vocabulary) for page in pages]

    def _batches(self, pages: list[_Page]) -> Iterator[list[_Page]]:
        """First the first parts of all recordings, then the second ones, and so on."""
        while unfinished := [page for page in pages if page.parts]:
            for first in range(0, len(unfinished), self._most_rows):
                yield unfinished[first : first + self._most_rows]

    def _write(self, limits: Limits, pages: Sequence[_Page]) -> None:
        parts = [page.parts.pop(0) for page in pages]
        drafts = [page.expected.draft() for page in pages]
        # Every pass may be as wide as the widest first one.
        capacity = limits.most + 2 * self.vocabulary.prompt_length + max(map(len, drafts))
        session = self._passes.session(len(parts), len(parts[0]), capacity)
        for row, hidden in enumerate(parts):
            session.audio[row] = hidden
        self._find_languages(pages, session)
        prompts = [self.vocabulary.prompt(page.language) for page in pages]
        readings = decode(self._passes, session, prompts, drafts, limits)
        for page, reading, prompt, hidden in zip(pages, readings, prompts, parts, strict=True):
            others = [other.draft() for other in page.others]
            page.take(reading, likelihoods(self._passes, prompt, hidden, others, self._most_rows))

    def _find_languages(self, pages: Sequence[_Page], session: Session) -> None:
        """By the likeliest language token, as Whisper does it."""
        if not self.vocabulary.languages or all(page.language for page in pages):
            return
        allowed = torch.tensor(list(self.vocabulary.languages.values()), device=session.keys.device)
        best = self._decoder.best_of(session, self.vocabulary.start, allowed)
        for page, token in zip(pages, best[: len(pages)].tolist(), strict=True):
            page.language = page.language or self.vocabulary.language_of(token)


class _Page:
    """The transcript of one recording, part by part."""

    def __init__(self, task: Task, vocabulary: Vocabulary, most: int) -> None:
        self.parts = list(task.parts)
        self.language = task.language
        self.expected = _Expected(vocabulary.draft(task.expected), most)
        self.others = [_Expected(vocabulary.draft(text), most) for text in task.others]
        self._readings: list[Reading] = []

    def take(self, reading: Reading, others: Sequence[FloatArray]) -> None:
        """Keep what was read; ``others``: likelihoods of the other texts' drafts."""
        self.expected.take(reading.tokens, reading.likelihoods, last=not self.parts)
        for other, own in zip(self.others, others, strict=True):
            other.take(reading.tokens, own, last=not self.parts)
        self._readings.append(reading)

    def transcription(self, vocabulary: Vocabulary) -> Transcription:
        return Transcription(
            joined([vocabulary.text(reading.tokens) for reading in self._readings]),
            self.language,
            self.expected.evidence(),
            sum(reading.passes for reading in self._readings),
            tuple(other.evidence() for other in self.others),
        )


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

    def take(self, said: Sequence[int], likelihoods: FloatArray, last: bool) -> None:
        """Keep what a part says of the draft, and what is left for the parts to come."""
        draft = self.draft()
        covered = len(draft) if last else said_of(draft, said)
        self._covered += covered
        self._likelihoods.append(likelihoods[:covered])

    def evidence(self) -> FloatArray:
        """Probability of each word."""
        return self._text.evidence(np.concatenate(self._likelihoods))
