"""Voice activity detection: how likely somebody speaks, every 32 ms.

The network is Silero VAD (Silero Team, 2021 to 2026, https://github.com/snakers4/silero-vad, MIT),
with the weights that its package carries. Their own runtimes take one step at a time, half a
millisecond each; here all of a block goes through the convolutions at once and only the recurrent
layer goes step by step, which gives the same numbers in a twentieth of the time.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional

from audio_score_server.domain import FloatArray

VAD_RATE: Final = 16_000
VAD_STEP: Final = 512
"""Samples for each probability."""
_CONTEXT: Final = 64
"""Samples before a step that it is heard with."""
_HOP: Final = 128
_STRIDES: Final = (1, 2, 2, 1)
_WIDTH: Final = 128
_MODEL: Final = "data/silero_vad.jit"
_LSTM_NAMES: Final = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_MOST_STEPS: Final = 512
"""Of a block that is taken at once: 16 s."""


class VoiceActivityDetector:
    """Listens to one recording; a block may end anywhere."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self._weights, self._lstm = _network()
        self._context = torch.zeros(_CONTEXT)
        self._state: tuple[torch.Tensor, torch.Tensor] | None = None
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: FloatArray) -> FloatArray:
        """Listen on.

        Args:
            samples: float32 ``[samples]`` at ``VAD_RATE``.

        Returns:
            float32 ``[steps]``: probability that somebody speaks, of every whole step that is now
            known and was not before.
        """
        heard = np.concatenate([self._rest, samples])
        count = len(heard) // VAD_STEP
        self._rest = heard[count * VAD_STEP :]
        return self._probabilities(heard[: count * VAD_STEP])

    def finish(self) -> FloatArray:
        """Of the last step, which silence fills up; nothing where all steps were whole."""
        if not len(self._rest):
            return np.zeros(0, np.float32)
        return self.feed(np.zeros(VAD_STEP - len(self._rest), np.float32))

    def _probabilities(self, samples: FloatArray) -> FloatArray:
        pieces = [
            self._run(torch.from_numpy(samples[first : first + _MOST_STEPS * VAD_STEP]))
            for first in range(0, len(samples), _MOST_STEPS * VAD_STEP)
        ]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    @torch.inference_mode()
    def _run(self, samples: torch.Tensor) -> FloatArray:
        sound = torch.cat([self._context, samples])
        self._context = sound[-_CONTEXT:].clone()
        steps = sound.unfold(0, _CONTEXT + VAD_STEP, VAD_STEP)
        hidden = self._encoded(functional.pad(steps[:, None], (0, _CONTEXT), mode="reflect"))
        output, self._state = self._lstm(hidden, self._state)
        weights = self._weights
        scores = functional.relu(output) @ weights["decoder.decoder.2.weight"][0, :, 0]
        found: FloatArray = (scores + weights["decoder.decoder.2.bias"]).sigmoid().numpy()
        return found

    def _encoded(self, steps: torch.Tensor) -> torch.Tensor:
        """``[steps, 1, samples]`` to ``[steps, width]``."""
        spectrum = functional.conv1d(steps, self._weights["stft.forward_basis_buffer"], stride=_HOP)
        real, imaginary = spectrum.chunk(2, dim=1)
        hidden = (real.square() + imaginary.square()).sqrt()
        for number, stride in enumerate(_STRIDES):
            name = f"encoder.{number}.reparam_conv"
            weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
            hidden = functional.relu(functional.conv1d(hidden, weight, bias, stride, padding=1))
        return hidden[:, :, 0]


@cache
def _network() -> tuple[dict[str, torch.Tensor], torch.nn.LSTM]:
    # Found without importing the package, which would load its own runtimes.
    spec = find_spec("silero_vad")
    assert spec is not None
    assert spec.submodule_search_locations
    file = Path(spec.submodule_search_locations[0]) / _MODEL
    with warnings.catch_warnings():
        # Nothing of it is run, but its weights are in no other file of the package.
        warnings.simplefilter("ignore", DeprecationWarning)
        model: Any = torch.jit.load(file)  # type: ignore[no-untyped-call]
    weights = model._model.state_dict()
    lstm = torch.nn.LSTM(_WIDTH, _WIDTH)
    lstm.load_state_dict(
        {f"{name}_l0": weights[f"decoder.rnn.{name}"] for name in _LSTM_NAMES}, assign=True
    )
    return weights, lstm.eval()
