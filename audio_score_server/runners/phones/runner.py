"""Our own phone encoder as a runner: it hears sounds, not guessed words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import load

from audio_score_server.audio.resample import resample
from audio_score_server.domain import (
    WORTHLESS_NATS,
    Alignment,
    EncoderFeatures,
    Encoding,
    HeardPhone,
    Transcript,
    Utterance,
    Waveform,
)
from audio_score_server.errors import ModelLoadError
from audio_score_server.language.languages import ENGLISH, Language
from audio_score_server.language.phones import BLANK
from audio_score_server.runners.device import choose_device, place
from audio_score_server.runners.phones.alignment import align
from audio_score_server.runners.phones.decoding import heard_phones
from audio_score_server.runners.phones.frontend import SAMPLING_RATE, log_mel
from audio_score_server.runners.phones.network import (
    FRAME_RATE_HZ,
    PhoneNetwork,
    output_length,
)
from audio_score_server.settings import Settings

WEIGHTS: Final = Path(__file__).with_name("weights.safetensors")
_RECIPE: Final = "phones-2"
"""Changes with the front end, the features or the decoding; the weights count by themselves."""
_MOST_FRAMES: Final = 6_000
"""That a processor takes at once: more together are no faster, and need more memory."""
_TEMPERATURE: Final = 1.5
"""Softens the posteriors, which are surer than right: with it, unseen speakers' readings are told
apart a little better, and codecs change scores a good deal less."""


class PhonesRunner:
    """CTC phone posteriors of English speech.

    Encoder features are the square roots of the 39 phone posteriors, blank left out, so that the
    dot product of two frames is their Bhattacharyya coefficient.
    """

    phone_language: Language | None = ENGLISH
    recognizer: None = None

    def __init__(self, settings: Settings) -> None:
        """Load the weights that ship in the package.

        Raises:
            ModelLoadError: the weights are missing or damaged, or the device is not there.
        """
        weights = _weights()
        self._device = choose_device(settings.device)
        with torch.device("meta"):
            # No memory and no random numbers for weights that are replaced at once.
            self._network = PhoneNetwork()
        self._network.load_state_dict(
            {name: tensor.float() for name, tensor in load(weights).items()}, assign=True
        )
        self._network.eval().to(self._device)
        self.info = place(self._device, self._network.state_dict().values())
        digest = hashlib.sha256(weights).hexdigest()[:16]
        # Alignments are kept, and missing phones cost so much in them.
        self.fingerprint = f"{_RECIPE}:{WORTHLESS_NATS:g}:{digest}"

    def prepare(self, waveform: Waveform) -> torch.Tensor:
        """Normalised log-mel ``[frames, 64]``."""
        samples = resample(waveform, SAMPLING_RATE).samples
        with torch.inference_mode():
            return log_mel(torch.from_numpy(samples))

    def expected(self, text: str) -> Transcript | None:
        """The phones of a text as an American reads it; None for other scripts than Latin."""
        phones = [phone for word in ENGLISH.pronounce(text) for phone in word.phones]
        return Transcript(" ".join(phones), "phone") if phones else None

    def compatibility_warning(self, texts: Sequence[str]) -> str | None:
        """Texts that are not English belong to another model."""
        if ENGLISH.may_be(texts):
            return None
        return (
            "it hears English only, and the clips' texts do not look English; use a Whisper model"
        )

    @torch.inference_mode()
    def run(self, utterances: Sequence[Utterance[torch.Tensor]]) -> list[Encoding]:
        """One pass of the network for the batch, then each recording by itself."""
        longest = max(len(utterance.features) for utterance in utterances)
        most = max(1, _MOST_FRAMES // longest) if self._device.type == "cpu" else len(utterances)
        return [
            encoding
            for first in range(0, len(utterances), most)
            for encoding in self._run(utterances[first : first + most])
        ]

    def _run(self, utterances: Sequence[Utterance[torch.Tensor]]) -> list[Encoding]:
        mels = [utterance.features for utterance in utterances]
        lengths = torch.tensor([len(mel) for mel in mels])
        padded = torch.nn.utils.rnn.pad_sequence(mels, batch_first=True)
        log_probabilities = self._network(padded.to(self._device), lengths.to(self._device)).cpu()
        return [
            _encoding(rows[:length], utterance.expected, utterance.others)
            for rows, length, utterance in zip(
                log_probabilities, output_length(lengths).tolist(), utterances, strict=True
            )
        ]

    def warm_up(self) -> None:
        """Run a second of silence through."""
        features = self.prepare(Waveform(np.zeros(SAMPLING_RATE, np.float32), SAMPLING_RATE))
        self.run([Utterance(features, Transcript("AH", "phone"))])

    def close(self) -> None:
        """Let go of the weights."""
        del self._network


def _weights() -> bytes:
    try:
        return WEIGHTS.read_bytes()
    except OSError as error:
        raise ModelLoadError(f"the packaged weights cannot be read: {error}") from error


def _encoding(
    log_probabilities: torch.Tensor, expected: Transcript | None, others: Sequence[Transcript]
) -> Encoding:
    """What one recording's ``[frames, 40]`` log-probabilities say."""
    softened = (log_probabilities / _TEMPERATURE).log_softmax(dim=1)
    phones = softened[:, BLANK + 1 :].softmax(dim=1).sqrt()
    speech = 1 - log_probabilities[:, BLANK].exp()
    heard = heard_phones(log_probabilities)
    unaligned = Encoding(
        EncoderFeatures(phones.numpy(), speech.numpy(), FRAME_RATE_HZ),
        Transcript(" ".join(each.phone for each in heard), "phone"),
        evidence=None,
    )
    own, *rest = (_aligned(unaligned, softened, each, heard) for each in (expected, *others))
    return replace(own, others=tuple(rest))


def _aligned(
    encoding: Encoding,
    log_probabilities: torch.Tensor,
    expected: Transcript | None,
    heard: tuple[HeardPhone, ...],
) -> Encoding:
    alignment = _alignment(log_probabilities, expected, heard)
    evidence = None if expected is None or alignment is None else alignment.evidence
    return replace(encoding, evidence=evidence, alignment=alignment)


def _alignment(
    log_probabilities: torch.Tensor, expected: Transcript | None, heard: tuple[HeardPhone, ...]
) -> Alignment | None:
    """With the expected phones; with those heard where nothing is known of them."""
    phones = tuple(expected.text.split()) if expected else tuple(each.phone for each in heard)
    return align(log_probabilities, phones, heard) if phones else None
