"""A recording of any length as a stream of sound, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import av
import av.error
import numpy as np
from av.container import InputContainer

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.audio.frames import admissible, opened_file, values
from audio_score_server.audio.mixing import mono_blocks
from audio_score_server.audio.samples import finite, undecodable
from audio_score_server.domain import FloatArray, Waveform
from audio_score_server.errors import AudioError, EmptyAudio, TooLongAudio

_LOG = logging.getLogger(__name__)
_WHOLE_BYTES: Final = 64 * 2**20
"""Largest file that goes, whole, to the decoders behind PyAV."""


@dataclass(frozen=True, slots=True)
class SoundStream:
    """A recording that is being decoded.

    Attributes:
        blocks: its sound bit by bit: float32 ``[samples]``, mono, full scale 1.
        sampling_rate: of the sound, in Hz.
        seconds: how long it says it is; None where it does not say. Files can lie.
    """

    blocks: Iterator[FloatArray]
    sampling_rate: int
    seconds: float | None


def stream(file: BinaryIO, limits: DecodeLimits) -> SoundStream:
    """Decode a recording while it is listened to.

    Of several tracks that is the one FFmpeg thinks best.

    Args:
        file: at its beginning, seekable; read until the sound ends.
        limits: target rate, and the admissible duration: ``blocks`` raises when it is passed.

    Raises:
        EmptyAudio: there are no bytes.
        UndecodableAudio: here, or from ``blocks``: it is no recording, or holds no sound.
        TooLongAudio: from ``blocks``: more sound than ``limits.max_seconds``.
        TooShortAudio: from ``blocks``: less sound than ``limits.min_seconds``.
    """
    if not file.read(1):
        raise EmptyAudio("The recording is empty (0 bytes). Send the whole file.")
    file.seek(0)
    try:
        container = opened_file(file)
    except (av.error.FFmpegError, ValueError, OverflowError):
        whole = _behind(file, limits)
        return SoundStream(iter([whole.samples]), limits.sampling_rate, whole.seconds)
    seconds = None if container.duration is None else max(0.0, container.duration / av.time_base)
    return SoundStream(_blocks(container, limits), limits.sampling_rate, seconds)


def _behind(file: BinaryIO, limits: DecodeLimits) -> Waveform:
    """What PyAV does not open at all."""
    file.seek(0)
    data = file.read(_WHOLE_BYTES + 1)
    if len(data) > _WHOLE_BYTES:
        raise undecodable("no decoder that takes so large a file knows its format")
    return decode(data, limits)


def _blocks(container: InputContainer, limits: DecodeLimits) -> Iterator[FloatArray]:
    heard = 0
    with container:
        track = container.streams.best("audio")
        if not isinstance(track, av.AudioStream):
            raise undecodable("it holds no audio track")
        resampler = _Resampler(limits.sampling_rate)
        try:
            for block in mono_blocks(admissible(container, track, limits.max_seconds)):
                for samples in resampler.feed(block):
                    heard += len(samples)
                    yield samples
        except TooLongAudio:
            raise TooLongAudio(
                f"The recording is too long: more than {limits.max_seconds:g} s. Send it in parts, "
                "or raise AUDIO_SCORE_MAX_TRANSCRIPTION_SECONDS."
            ) from None
        except AudioError:
            raise
        except (av.error.FFmpegError, ValueError, OverflowError, MemoryError) as error:
            raise undecodable(getattr(error, "strerror", None) or str(error)) from error
        for samples in resampler.flush():
            heard += len(samples)
            yield samples
    limits.check_short(heard / limits.sampling_rate)


class _Resampler:
    """FFmpeg's, which remembers from block to block; a new one where the rate changes."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._source_rate = 0
        self._resampler: Any = None

    def feed(self, block: Waveform) -> Iterator[FloatArray]:
        if block.sampling_rate != self._source_rate:
            yield from self.flush()
            self._source_rate = block.sampling_rate
            self._resampler = av.AudioResampler("flt", "mono", self._rate)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.samples[None]), format="flt", layout="mono"
        )
        frame.sample_rate = block.sampling_rate
        yield from map(_samples, self._resampler.resample(frame))

    def flush(self) -> Iterator[FloatArray]:
        if self._resampler is not None:
            yield from map(_samples, self._resampler.resample(None))
            self._resampler = None


def _samples(frame: av.AudioFrame) -> FloatArray:
    (samples,) = values(frame)
    return finite(samples)
