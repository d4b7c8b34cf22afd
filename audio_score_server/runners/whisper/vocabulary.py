"""A checkpoint's tokens: text to a draft, tokens to text, prompts and languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from audio_score_server.domain import FloatArray
from audio_score_server.errors import ModelLoadError
from audio_score_server.tokenization import plain, unspaced, word_spans

_TASK: Final = "transcribe"
_PREVIOUS: Final = "<|startofprev|>"
"""Before the text that goes before a window."""
_ENGLISH: Final = "en"
"""What checkpoints of one language know."""
_UNFINISHED: Final = "\ufffd"
"""What the bytes of half a character are decoded to."""


@dataclass(frozen=True, slots=True)
class DraftText:
    """A text as a model would write it.

    Attributes:
        tokens: of the whole text.
        words: for each word of the text, which tokens have a part in it.
    """

    tokens: list[int]
    words: list[range]

    def evidence(self, likelihoods: FloatArray) -> FloatArray:
        """Probability of each word, of the log-probabilities of the tokens."""
        # Each word costs its tokens; what is behind the last of them was never reached.
        reached = np.full(len(self.tokens), -np.inf, np.float32)
        reached[: len(likelihoods)] = likelihoods
        return np.exp(
            np.array([reached[word.start : word.stop].sum() for word in self.words], np.float32)
        )


class Vocabulary:
    """The tokens of one checkpoint.

    Attributes:
        start: the token that every transcript starts with.
        stop: the token that ends it.
        suppressed: tokens that are never chosen.
        suppressed_first: tokens that are not chosen first.
        silence: the token that says that nobody speaks.
        languages: code to token; empty where the model knows but one.
        alignment_heads: layer and head of each whose attention follows the sound; empty where the
            checkpoint does not say.
    """

    def __init__(self, tokenizer: Any, generation: Any) -> None:
        """Take over what a checkpoint says of itself.

        Args:
            tokenizer: a ``tokenizers.Tokenizer``.
            generation: what its ``generation_config.json`` says.

        Raises:
            ModelLoadError: it does not say enough.
        """
        self._tokenizer = tokenizer
        self.suppressed = list(generation.suppress_tokens or [])
        self.suppressed_first = list(generation.begin_suppress_tokens or [])
        self.languages: dict[str, int] = {}
        heads = getattr(generation, "alignment_heads", None) or ()
        self.alignment_heads = tuple((int(layer), int(head)) for layer, head in heads)
        try:
            self._take_prompt(generation)
        except (AttributeError, KeyError, TypeError) as error:
            raise ModelLoadError(
                f"the checkpoint's generation_config.json does not say what Whisper needs ({error})"
                "; take that of the checkpoint that it was trained from"
            ) from error

    def _take_prompt(self, generation: Any) -> None:
        self.start = int(generation.decoder_start_token_id)
        self.stop = _stop_of(generation)
        self._previous = self._tokenizer.token_to_id(_PREVIOUS)
        self._tail = [int(generation.no_timestamps_token_id)]
        # No file names it; in every vocabulary of Whisper's it is the one before.
        self.silence = self._tail[0] - 1
        if getattr(generation, "is_multilingual", False):
            self.languages = {
                code.strip("<|>"): token for code, token in generation.lang_to_id.items()
            }
            self._tail.insert(0, int(generation.task_to_id[_TASK]))

    def check_language(self, language: str | None) -> None:
        """Refuse a language that the model does not know.

        Raises:
            ModelLoadError: with those it knows.
        """
        known = self.codes
        if language is not None and language not in known:
            raise ModelLoadError(
                f"language {language!r} is not one of the checkpoint's: {', '.join(known)}"
            )

    @property
    def codes(self) -> list[str]:
        """Codes of the languages that the model knows."""
        return sorted(self.languages) or [_ENGLISH]

    def known(self, language: str | None) -> str | None:
        """The language of a transcript: what was asked for, or the only one that there is."""
        return language if self.languages else _ENGLISH

    def previous(self, text: str, most: int) -> list[int]:
        """What a prompt starts with to go on from a text: at most so many tokens, its last ones."""
        if not text.strip() or self._previous is None:
            return []
        encoded = self._tokenizer.encode(" " + text.strip(), add_special_tokens=False)
        return [self._previous, *encoded.ids[1 - most :]]

    @property
    def prompt_length(self) -> int:
        """Tokens of a prompt."""
        return 1 + bool(self.languages) + len(self._tail)

    def prompt(self, language: str | None) -> list[int]:
        """What a transcript in a language starts with."""
        if not self.languages:
            return [self.start, *self._tail]
        return [self.start, self.languages[language or "en"], *self._tail]

    def language_of(self, token: int) -> str:
        """The code of a language's token."""
        return next(code for code, known in self.languages.items() if known == token)

    def draft(self, text: str) -> DraftText:
        """A text as the model would write it: in scripts with spaces, one goes first."""
        written = plain(text).strip()
        if written and not unspaced(written[0]):
            written = " " + written
        encoded = self._tokenizer.encode(written, add_special_tokens=False)
        return DraftText(encoded.ids, _tokens_of_words(word_spans(written), encoded.offsets))

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens say, without the space before the first word."""
        decoded: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return decoded.strip()

    def words(self, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
        """The words that tokens make: text, first token, and the token after the last.

        A word begins at a space; in scripts without spaces every character is one. Punctuation
        stays with the word that it touches.
        """
        found: list[tuple[str, int, int]] = []
        for text, first, stop in self._pieces(tokens):
            if found and not _begins_word(found[-1][0], text):
                found[-1] = (found[-1][0] + text, found[-1][1], stop)
            else:
                found.append((text, first, stop))
        return [word for word in found if word[0].strip()]

    def _pieces(self, tokens: Sequence[int]) -> Iterator[tuple[str, int, int]]:
        """The shortest runs of tokens that make whole characters."""
        first = 0
        for stop in range(1, len(tokens) + 1):
            text: str = self._tokenizer.decode(list(tokens[first:stop]), skip_special_tokens=True)
            if not text.endswith(_UNFINISHED) or stop == len(tokens):
                yield text, first, stop
                first = stop


def _begins_word(before: str, text: str) -> bool:
    """Whether a piece of a transcript begins a word, given the word before it so far."""
    if not before.strip():
        return False
    if text.startswith(" "):
        return True
    spoken = bool(word_spans(text))
    return spoken and (unspaced(text[0]) or unspaced(before.rstrip()[-1]))


def _stop_of(generation: Any) -> int:
    stop = generation.eos_token_id
    return int(stop[0] if isinstance(stop, list) else stop)


def _tokens_of_words(
    words: list[tuple[int, int]], tokens: Sequence[tuple[int, int]]
) -> list[range]:
    """For each word, the tokens that overlap it; both in order of the text."""
    found = []
    first = 0
    for start, stop in words:
        while first < len(tokens) and tokens[first][1] <= start:
            first += 1
        last = first
        while last < len(tokens) and tokens[last][0] < stop:
            last += 1
        found.append(range(first, last))
    return found


def joined(texts: Sequence[str]) -> str:
    """Transcripts of the parts of a recording as one."""
    whole = ""
    for text in filter(None, texts):
        space = "" if not whole or unspaced(whole[-1]) or unspaced(text[0]) else " "
        whole += space + text
    return whole
