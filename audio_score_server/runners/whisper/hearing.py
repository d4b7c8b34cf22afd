"""From a recording to hidden states: cut, transform, pad, encode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import torch

from audio_score_server.audio.loudness import speech_weights
from audio_score_server.audio.resample import resample
from audio_score_server.domain import FloatArray, Waveform
from audio_score_server.runners.whisper.encoder import FRAMES_A_POSITION
from audio_score_server.runners.whisper.frontend import (
    HOP,
    SAMPLING_RATE,
    LogMel,
    Spectrogram,
    padded,
)
from audio_score_server.runners.whisper.windows import cut
from audio_score_server.runners.workers import Workers

POSITIONS_A_SECOND: Final = 50

Encode = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Spectrograms ``[batch, bands, frames]`` to hidden states ``[batch, positions, width]``, for a
decoder and for features."""


@dataclass(frozen=True, slots=True)
class Part:
    """As much of a recording as one encoder pass hears.

    Attributes:
        sound: its spectrogram; on CUDA its samples, since the device makes spectrograms faster.
        speech: float32 ``[frames]``: how much each frame of the features tells of what is said.
    """

    sound: Spectrogram | torch.Tensor
    speech: FloatArray


Recording = tuple[Part, ...]
"""The parts of a recording, in order."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What an encoder makes of one part.

    Attributes:
        hidden: for a decoder, ``[positions, width]`` on the device.
        features: float32 ``[frames, width]``: only the frames that the sound covers.
        speech: float32 ``[frames]``: their weights.
        frame_rate_hz: frames a second.
    """

    hidden: torch.Tensor
    features: FloatArray
    speech: FloatArray
    frame_rate_hz: float


class Ear:
    """An encoder with the front end before it."""

    def __init__(
        self,
        log_mel: LogMel,
        encode: Encode,
        dtype: torch.dtype,
        window_s: float,
        frame_rate: int,
        workers: Workers | None,
    ) -> None:
        """Put them together.

        Args:
            log_mel: the front end, on the encoder's device.
            encode: the encoder.
            dtype: of its weights.
            window_s: longest sound of one pass, and what shorter ones are padded to.
            frame_rate: frames of the features for each second.
            workers: on a processor, who encodes.
        """
        self._workers = workers
        self._log_mel = log_mel
        self._encode = encode
        self._dtype = dtype
        self._window_s = window_s
        self._frame_rate = frame_rate
        self._step = SAMPLING_RATE // frame_rate
        # Counted as ``cut`` counts: seconds times another rate may round to a frame less.
        self._frames = int(window_s * SAMPLING_RATE) // self._step * (self._step // HOP)

    @property
    def positions(self) -> int:
        """Of what ``Heard.hidden`` holds, each pass."""
        return self._frames // FRAMES_A_POSITION

    def prepare(self, waveform: Waveform) -> Recording:
        """A recording's parts, ready for the encoder."""
        samples = resample(waveform, SAMPLING_RATE).samples
        step = self._step
        weights = speech_weights(samples, step)
        return tuple(
            Part(self._sound(samples[part]), weights[part.start // step : -(-part.stop // step)])
            for part in cut(samples, SAMPLING_RATE, self._window_s, step)
        )

    def hear(self, recordings: Sequence[Recording], most: int) -> list[list[Heard]]:
        """Encode the parts of several recordings.

        Args:
            recordings: any number.
            most: parts that CUDA takes at once. On a processor each goes alone: that is as fast,
                and what lies between fits into the caches.
        """
        parts = [part for recording in recordings for part in recording]
        size = 1 if self._workers else most
        groups = [parts[first : first + size] for first in range(0, len(parts), size)]
        run = self._workers.map if self._workers else _one_by_one
        heard = chain.from_iterable(run(self._hear_at_once, groups))
        return [[next(heard) for _ in recording] for recording in recordings]

    def _sound(self, samples: FloatArray) -> Spectrogram | torch.Tensor:
        own = torch.from_numpy(np.ascontiguousarray(samples))
        if self._log_mel.device.type == "cuda":
            return own.pin_memory()
        with torch.inference_mode():
            return self._log_mel(own, self._frames)

    def _hear_at_once(self, parts: Sequence[Part]) -> list[Heard]:
        mel = torch.stack([self._spectrogram(part.sound) for part in parts])
        hidden, features = self._encode(mel.to(self._dtype))
        return [
            Heard(own, _array(frames[: len(part.speech)]), part.speech, float(self._frame_rate))
            for part, own, frames in zip(parts, hidden, features, strict=True)
        ]

    def _spectrogram(self, sound: Spectrogram | torch.Tensor) -> torch.Tensor:
        """``[bands, frames]`` on the device, silence behind the sound."""
        if isinstance(sound, torch.Tensor):
            sound = self._log_mel(sound.to(self._log_mel.device, non_blocking=True), self._frames)
        return padded(sound, self._frames)


def _one_by_one(
    function: Callable[[Sequence[Part]], list[Heard]], groups: Sequence[Sequence[Part]]
) -> list[list[Heard]]:
    return [function(group) for group in groups]


def _array(frames: torch.Tensor) -> FloatArray:
    array: FloatArray = frames.float().cpu().numpy()
    return array
