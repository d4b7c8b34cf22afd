"""What a recogniser is asked of a window, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from audio_score_server.domain import InputT


@dataclass(frozen=True, slots=True)
class RecognitionTask(Generic[InputT]):
    """A window to be written down.

    Attributes:
        features: of the window, as the recogniser has encoded it.
        seconds: how long it is.
        language: code; None to find out.
        prompt: text that goes before, which the recogniser goes on from; empty for none.
        beam_size: hypotheses at once; 1 for greedy decoding.
        temperature: of the first attempt; 0 for the likeliest transcript.
        word_times: whether the recogniser is to tell when its words are said.
    """

    features: InputT
    seconds: float
    language: str | None = None
    prompt: str = ""
    beam_size: int = 5
    temperature: float = 0.0
    word_times: bool = False


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """A word as a recogniser wrote it.

    Attributes:
        text: with the space before it, if there is one, and punctuation attached.
        probability: mean of its tokens' probabilities, given the sound and the words before.
        start: seconds from the window's beginning; None where that was not asked for.
        end: like ``start``.
    """

    text: str
    probability: float
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a window says.

    Attributes:
        words: in order; none where nobody speaks.
        language: code of the language that it is in.
        language_probability: that it is in that; 1 where that was told.
        mean_logprob: mean log-probability of the tokens.
        no_speech_prob: probability that nobody speaks, by the recogniser's decoder.
        temperature: of the attempt that was taken.
    """

    words: tuple[RecognizedWord, ...]
    language: str
    language_probability: float
    mean_logprob: float
    no_speech_prob: float
    temperature: float

    @property
    def text(self) -> str:
        """The words joined."""
        return "".join(word.text for word in self.words).strip()
