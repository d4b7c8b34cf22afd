"""What every model offers, whatever it is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from audio_score_server.domain import Encoding, InputT, ModelInfo, Transcript, Utterance, Waveform
from audio_score_server.language.languages import Language
from audio_score_server.transcription.recognition import Recognition, RecognitionTask


class Recognizer(Protocol[InputT]):
    """What writes down windows of recordings, word by word.

    ``prepare`` may be called from several threads at once, ``encode`` and ``recognize`` only ever
    from one each; those may be other ones than its runner's.

    Attributes:
        longest_s: longest window, in seconds.
    """

    longest_s: float

    @property
    def batch_size(self) -> int:
        """Windows that are best written down together."""
        ...

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that it knows."""
        ...

    def prepare(self, waveform: Waveform) -> InputT:
        """Input features of one window, made on the CPU."""
        ...

    @property
    def encoded_at_once(self) -> int:
        """Windows that are best encoded together."""
        ...

    def encode(self, windows: Sequence[InputT]) -> list[Any]:
        """What a task's features are to be, in order; while another thread recognizes."""
        ...

    def recognize(self, tasks: Sequence[RecognitionTask[Any]]) -> list[Recognition]:
        """Write down a batch, in order; scores on the same device go first."""
        ...


class Runner(Protocol[InputT]):
    """A loaded model on its device.

    ``prepare`` and ``expected`` may be called from several threads at once; ``run`` and ``warm_up``
    only ever from one. A recording's encoding does not depend on what it is batched with.

    Attributes:
        fingerprint: changes whenever the encoding of some recording could.
        phone_language: whose phones it hears; None where it hears words.
        info: where the model is and what it takes, for people.
    """

    fingerprint: str
    phone_language: Language | None
    info: ModelInfo

    @property
    def recognizer(self) -> Recognizer[Any] | None:
        """Writes down recordings of any length; None where the model cannot."""
        ...

    def prepare(self, waveform: Waveform) -> InputT:
        """Input features of one recording, made on the CPU."""
        ...

    def expected(self, text: str) -> Transcript | None:
        """The transcript of a perfect reading of ``text``; None in a language it cannot read."""
        ...

    def compatibility_warning(self, texts: Sequence[str]) -> str | None:
        """Why this model suits clips that say these texts badly; None where it suits them."""
        ...

    def run(self, utterances: Sequence[Utterance[InputT]]) -> list[Encoding]:
        """Encode a batch, in order; one encoding for each utterance.

        What an utterance is compared with besides costs as little more as the model allows.
        """
        ...

    def warm_up(self) -> None:
        """Pay every first-time cost now rather than in the first request."""
        ...

    def close(self) -> None:
        """Give up memory and devices."""
        ...
