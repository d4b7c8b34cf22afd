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
from audio_score_server.runners.whisper.decoder import Session, TextDecoder
from audio_score_server.runners.whisper.doubts import doubts, unspoken
from audio_score_server.runners.whisper.drafting import said_of
from audio_score_server.runners.whisper.greedy import Limits, Passes, Reading, decode
from audio_score_server.runners.whisper.hearing import Heard
from audio_score_server.runners.whisper.likelihoods import likelihoods
from audio_score_server.runners.whisper.passes import EagerPasses, ReplayedPasses
from audio_score_server.runners.whisper.vocabulary import DraftText, Vocabulary, joined
from audio_score_server.runners.workers import Workers
from audio_score_server.writing import words

_ENGLISH: Final = "en"
"""What checkpoints of one language know."""


@dataclass(frozen=True, slots=True)
class Task:
    """One recording to be transcribed.

    Attributes:
        parts: those in which there is speech, as the encoder heard them.
        language: code; None to find out.
        expected: what it should say; empty where that is not known.
        others: texts whose evidence is wanted besides.
    """

    parts: list[Heard]
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
        repeated: parts that were heard again, in the longest window.
        others: like ``evidence``, of each of the task's ``others``.
    """

    text: str
    language: str | None
    evidence: FloatArray
    passes: int
    repeated: int
    others: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class _Written:
    """What one part says.

    Attributes:
        reading: as it was read.
        text: of that.
        language: code; None where the model knows but one.
        doubts: signs that it ran wild.
        hidden: what it was read from, ``[positions, width]``.
        unspoken: whether nobody speaks there.
    """

    reading: Reading
    text: str
    language: str | None
    doubts: int
    hidden: torch.Tensor
    unspoken: bool = False


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

    def capture(self, positions: Sequence[int]) -> None:
        """On CUDA, record the passes for encoder outputs of such lengths, to replay them."""
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
        while unfinished := [page for page in pages if page.parts]:
            batches = list(self._batches(unfinished))
            if self._workers:
                self._workers.map(write, [s for b in batches for s in self._workers.share(b)])
            else:
                for batch in batches:
                    write(batch)
        return [page.transcription() for page in pages]

    def _batches(self, pages: list[_Page]) -> Iterator[list[_Page]]:
        """Pages whose next parts were heard in windows of one length."""
        for _, group in groupby(sorted(pages, key=_positions), key=_positions):
            alike = list(group)
            for first in range(0, len(alike), self._most_rows):
                yield alike[first : first + self._most_rows]

    def _write(self, limits: Limits, pages: Sequence[_Page]) -> None:
        """Write down the next part of each page."""
        parts = [page.parts.pop(0) for page in pages]
        written = self._read(limits, pages, parts, [part.hidden for part in parts])
        for page, part, first in zip(pages, parts, written, strict=True):
            best = first
            if first.doubts and part.again is not None and not page.says(first.text):
                page.repeated += 1
                last = replace(part, again=None)
                (second,) = self._read(limits, [page], [last], [part.again()])
                # In doubt as it would be without short windows.
                best = min(second, first, key=lambda each: each.doubts)
            page.take(best, self._others(page, best))

    def _others(self, page: _Page, written: _Written) -> list[FloatArray]:
        """Likelihoods of the drafts of a page's other texts, given what a part was read from."""
        drafts = [other.draft() for other in page.others]
        if written.unspoken:
            return [np.full(len(draft), -np.inf, np.float32) for draft in drafts]
        prompt = self.vocabulary.prompt(written.language)
        return likelihoods(self._passes, prompt, written.hidden, drafts, self._most_rows)

    def _read(
        self,
        limits: Limits,
        pages: Sequence[_Page],
        parts: Sequence[Heard],
        hidden: Sequence[torch.Tensor],
    ) -> list[_Written]:
        """Parts as they are heard in windows of one length, ``[positions, width]`` each."""
        drafts = [page.expected.draft() for page in pages]
        # Every pass may be as wide as the widest first one.
        capacity = limits.most + 2 * self.vocabulary.prompt_length + max(map(len, drafts))
        session = self._passes.session(len(hidden), len(hidden[0]), capacity)
        for row, own in enumerate(hidden):
            session.audio[row] = own
        languages = self._languages([page.language for page in pages], session)
        prompts = [self.vocabulary.prompt(language) for language in languages]
        # Given up where it can be heard again: in the longest window all is as Whisper has it.
        limits = replace(limits, given_up=all(part.again is not None for part in parts))
        readings = decode(self._passes, session, prompts, drafts, limits)
        read = zip(parts, readings, languages, hidden, strict=True)
        return [self._judged(*each) for each in read]

    def _judged(
        self, part: Heard, reading: Reading, language: str | None, hidden: torch.Tensor
    ) -> _Written:
        text = self.vocabulary.text(reading.tokens)
        doubted = doubts(text, part.seconds, reading.mean) + reading.given_up
        if not unspoken(reading.silence, reading.mean, doubted):
            return _Written(reading, text, language, doubted, hidden)
        unheard = np.full_like(reading.likelihoods, -np.inf)
        silent = replace(reading, tokens=[], likelihoods=unheard)
        return _Written(silent, "", language, 0, hidden, unspoken=True)

    def _languages(self, known: Sequence[str | None], session: Session) -> list[str | None]:
        """Where they are not known, by the likeliest language token, as Whisper does it."""
        if not self.vocabulary.languages:
            return [_ENGLISH] * len(known)
        if all(known):
            return list(known)
        allowed = torch.tensor(list(self.vocabulary.languages.values()), device=session.keys.device)
        best = self._decoder.best_of(session, self.vocabulary.start, allowed)
        found = map(self.vocabulary.language_of, best[: len(known)].tolist())
        return [own or likeliest for own, likeliest in zip(known, found, strict=True)]


class _Page:
    """The transcript of one recording, part by part."""

    def __init__(self, task: Task, vocabulary: Vocabulary, most: int) -> None:
        self.parts = list(task.parts)
        self.language = task.language
        self.repeated = 0
        self._text = words(task.expected)
        self.expected = _Expected(vocabulary.draft(task.expected), most)
        self.others = [_Expected(vocabulary.draft(text), most) for text in task.others]
        self._written: list[_Written] = []

    def says(self, text: str) -> bool:
        """Whether a text is all that is expected: then it is right, however it looks."""
        return words(text) == self._text

    def take(self, written: _Written, others: Sequence[FloatArray]) -> None:
        """Keep what was read; ``others``: likelihoods of the other texts' drafts."""
        reading = written.reading
        self.language = written.language
        self.expected.take(reading.tokens, reading.likelihoods, last=not self.parts)
        for other, own in zip(self.others, others, strict=True):
            other.take(reading.tokens, own, last=not self.parts)
        self._written.append(written)

    def transcription(self) -> Transcription:
        return Transcription(
            joined([written.text for written in self._written]),
            self.language,
            self.expected.evidence(),
            sum(written.reading.passes for written in self._written),
            self.repeated,
            tuple(other.evidence() for other in self.others),
        )


def _positions(page: _Page) -> int:
    """How many the next part has."""
    return len(page.parts[0].hidden)


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
