"""From a recording to hidden states: cut, transform, pad, encode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
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
from audio_score_server.runners.whisper.windows import cut, fitting
from audio_score_server.runners.workers import Workers

POSITIONS_A_SECOND: Final = 50

Encode = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Spectrograms ``[batch, bands, frames]`` to hidden states ``[batch, positions, width]``, for a
decoder and for features."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """As much of a recording as one encoder pass hears.

    Attributes:
        sound: its spectrogram; on CUDA its samples, since the device makes spectrograms faster.
        frames: of the spectrogram with silence behind it: the window that it is heard in.
        speech: float32 ``[frames]``: how much each frame of the features tells of what is said.
    """

    sound: Spectrogram | torch.Tensor
    frames: int
    speech: FloatArray


Recording = tuple[AudioChunk, ...]
"""The parts of a recording, in order."""


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """What an encoder makes of one part.

    Attributes:
        hidden: for a decoder, ``[positions, width]`` on the device.
        features: float32 ``[frames, width]``: only the frames that the sound covers.
        speech: float32 ``[frames]``: their weights.
        frame_rate_hz: frames a second.
        retry: hears it in the longest window, for ``hidden`` of that; None where this was it.
    """

    hidden: torch.Tensor
    features: FloatArray
    speech: FloatArray
    frame_rate_hz: float
    retry: Callable[[], torch.Tensor] | None

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        return len(self.speech) / self.frame_rate_hz


class WindowedEncoder:
    """An encoder with the front end before it."""

    def __init__(
        self,
        log_mel: LogMel,
        encode: Encode,
        dtype: torch.dtype,
        windows_s: tuple[float, ...],
        frame_rate: int,
        workers: Workers | None,
    ) -> None:
        """Put them together.

        Args:
            log_mel: the front end, on the encoder's device.
            encode: the encoder.
            dtype: of its weights.
            windows_s: what sounds are padded to, in ascending order; the last is the longest sound
                of one pass.
            frame_rate: frames of the features for each second.
            workers: on a processor, who encodes.
        """
        self._workers = workers
        self._log_mel = log_mel
        self._encode = encode
        self._dtype = dtype
        self._windows_s = windows_s
        self._frame_rate = frame_rate
        self._step = SAMPLING_RATE // frame_rate
        # Counted as ``cut`` counts: seconds times another rate may round to a frame less.
        self._frames = [
            int(window_s * SAMPLING_RATE) // self._step * (self._step // HOP)
            for window_s in windows_s
        ]

    @property
    def positions(self) -> list[int]:
        """Of what ``EncodedChunk.hidden`` may hold, in ascending order."""
        return [frames // FRAMES_A_POSITION for frames in self._frames]

    @property
    def longest_s(self) -> float:
        """Longest sound of one pass, in seconds."""
        return self._windows_s[-1]

    def chunk(self, waveform: Waveform) -> AudioChunk:
        """A sound that one pass hears, ready for the encoder."""
        samples = resample(waveform, SAMPLING_RATE).samples
        return self._chunk(samples, speech_weights(samples, self._step))

    def hidden(self, chunks: Sequence[AudioChunk], most: int) -> list[torch.Tensor]:
        """What a decoder listens to, ``[positions, width]`` of each; ``most`` as in ``encode``."""
        return [own.hidden for (own,) in self.encode([(chunk,) for chunk in chunks], most)]

    def prepare(self, waveform: Waveform) -> Recording:
        """A recording's parts, ready for the encoder."""
        samples = resample(waveform, SAMPLING_RATE).samples
        step = self._step
        weights = speech_weights(samples, step)
        return tuple(
            self._chunk(samples[chunk], weights[chunk.start // step : -(-chunk.stop // step)])
            for chunk in cut(samples, SAMPLING_RATE, self._windows_s[-1], step)
        )

    def encode(self, recordings: Sequence[Recording], most: int) -> list[list[EncodedChunk]]:
        """Encode the parts of several recordings.

        Args:
            recordings: any number.
            most: parts that CUDA takes at once, all in windows of one length. On a processor each
                goes alone: that is as fast, and what lies between fits into the caches.
        """
        chunks = [chunk for recording in recordings for chunk in recording]
        # The longest first: whoever is done early takes a short one.
        order = sorted(range(len(chunks)), key=lambda place: -chunks[place].frames)
        groups = [
            alike[first : first + (1 if self._workers else most)]
            for _, group in groupby(order, key=lambda place: chunks[place].frames)
            for alike in [list(group)]
            for first in range(0, len(alike), 1 if self._workers else most)
        ]
        run = self._workers.map if self._workers else _one_by_one
        found = run(self._encode_batch, [[chunks[place] for place in group] for group in groups])
        heard = dict(zip(order, chain.from_iterable(found), strict=True))
        places = iter(range(len(chunks)))
        return [[heard[next(places)] for _ in recording] for recording in recordings]

    def _chunk(self, samples: FloatArray, speech: FloatArray) -> AudioChunk:
        frames = self._frames[fitting(self._windows_s, len(samples) / SAMPLING_RATE)]
        own = torch.from_numpy(np.ascontiguousarray(samples))
        if self._log_mel.device.type == "cuda":
            return AudioChunk(own.pin_memory(), frames, speech)
        with torch.inference_mode():
            return AudioChunk(self._log_mel(own, frames), frames, speech)

    def _encode_batch(self, chunks: Sequence[AudioChunk]) -> list[EncodedChunk]:
        hidden, features = self._encode(self._spectrograms(chunks, chunks[0].frames))
        rate = float(self._frame_rate)
        return [
            EncodedChunk(
                own, _array(frames[: len(chunk.speech)]), chunk.speech, rate, self._retry(chunk)
            )
            for chunk, own, frames in zip(chunks, hidden, features, strict=True)
        ]

    def _retry(self, chunk: AudioChunk) -> Callable[[], torch.Tensor] | None:
        return partial(self._encode_again, chunk) if chunk.frames < self._frames[-1] else None

    def _encode_again(self, chunk: AudioChunk) -> torch.Tensor:
        """Hidden states ``[positions, width]`` of the longest window."""
        return self._encode(self._spectrograms([chunk], self._frames[-1]))[0][0]

    def _spectrograms(self, chunks: Sequence[AudioChunk], frames: int) -> torch.Tensor:
        """``[chunks, bands, frames]`` on the device, silence behind the sounds."""
        sounds = [self._spectrogram(chunk.sound, frames) for chunk in chunks]
        return torch.stack([padded(sound, frames) for sound in sounds]).to(self._dtype)

    def _spectrogram(self, sound: Spectrogram | torch.Tensor, frames: int) -> Spectrogram:
        if isinstance(sound, Spectrogram):
            return sound
        return self._log_mel(sound.to(self._log_mel.device, non_blocking=True), frames)


def _one_by_one(
    function: Callable[[Sequence[AudioChunk]], list[EncodedChunk]],
    groups: Sequence[Sequence[AudioChunk]],
) -> list[list[EncodedChunk]]:
    return [function(group) for group in groups]


def _array(frames: torch.Tensor) -> FloatArray:
    array: FloatArray = frames.float().cpu().numpy()
    return array
