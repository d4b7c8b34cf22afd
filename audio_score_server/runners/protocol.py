"""What every model offers, whatever it is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from audio_score_server.domain import Encoding, InputT, ModelInfo, Transcript, Utterance, Waveform
from audio_score_server.language.languages import Language


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
