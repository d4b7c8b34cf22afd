"""Bytes of a recording or a clip to a mono waveform.

PyAV decodes in process, with the FFmpeg that its wheel carries. What it refuses goes to pydub,
which reads odd WAV files by itself and starts the system's ffmpeg, if there is one, for the rest.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import av
import av.error
import numpy as np
from av import AudioFrame

from audio_score_server.audio.fallback import decode_behind
from audio_score_server.audio.ffmpeg_memory import bound_allocations
from audio_score_server.audio.resample import resample
from audio_score_server.audio.samples import SAMPLING_RATES, finite, too_long, undecodable
from audio_score_server.domain import Waveform
from audio_score_server.errors import AudioError, EmptyAudio, TooShortAudio

_LOG = logging.getLogger(__name__)

_FORMATS: Final = (
    "wav,w64,aiff,caf,au,mp3,aac,flac,ogg,amr,amrnb,amrwb,"
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv"
)
"""Containers that hold their own sound. Playlists are left out: an uploaded one could make FFmpeg
open files and addresses of the server."""


def _audio_decoders() -> Iterator[str]:
    for name in sorted(av.codecs_available):
        # Some names are those of encoders alone.
        with suppress(av.codec.codec.UnknownCodecError):
            if av.Codec(name, "r").type == "audio":
                yield name


_OPTIONS: Final = {
    "format_whitelist": _FORMATS,
    "codec_whitelist": ",".join(_audio_decoders()),
    "protocol_whitelist": "none",
}
"""No picture is ever decoded: the cover of a small MP3 can unpack to gigabytes."""
_WAV_OPTIONS: Final = {"probesize": "32768"}
"""FFmpeg reads on and on into a WAV file, looking for what its header has told long before."""
_MOST_CHANGES: Final = 8
"""Of rate, channels or format on the way; each costs a filter, which costs more than the sound."""
_BLOCK_VALUES: Final = 2**20
_BLOCK_FRAMES: Final = 1024
"""Values of all channels, and frames, that are held before they are mixed to one."""
_FRAMES_A_SECOND: Final = 2_000
_FRAMES_FREE: Final = 4_000
"""Opus, the finest, has 400 frames a second. A frame costs the same however little it holds."""
_ROUNDING_S: Final = 1e-6


bound_allocations()


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a decoded recording may be.

    Attributes:
        sampling_rate: target rate in Hz.
        min_seconds: anything shorter is refused.
        max_seconds: decoding stops with an error as soon as it has gone past this.
    """

    sampling_rate: int
    min_seconds: float
    max_seconds: float


def decode(data: bytes, limits: DecodeLimits) -> Waveform:
    """Decode, mix down and resample a recording.

    Args:
        data: a whole file in any common container.
        limits: target rate and admissible durations.

    Raises:
        EmptyAudio: there are no bytes.
        UndecodableAudio: no decoder takes the bytes for a recording, or it holds no sound.
        TooShortAudio: less sound than ``limits.min_seconds``.
        TooLongAudio: more sound than ``limits.max_seconds``; noticed while decoding.
    """
    if not data:
        raise EmptyAudio("The recording is empty (0 bytes). Record again and send the whole file.")
    return _checked(_heard(data, limits.max_seconds), limits)


def _heard(data: bytes, max_seconds: float) -> Waveform:
    """Mono sound by whichever decoder takes the bytes; raises AudioErrors alone."""
    try:
        return _decode_with_pyav(data, max_seconds)
    except AudioError:
        raise
    except MemoryError:
        raise undecodable("it claims to hold more than it does") from None
    except (av.error.FFmpegError, ValueError, OverflowError) as refusal:
        return decode_behind(data, max_seconds, refusal)
    except Exception as error:
        # PyAV trips over some damage where it means to refuse it. It may be a fault of ours too.
        _LOG.debug("The decoder failed on %d bytes.", len(data), exc_info=True)
        raise undecodable("it is damaged in a way that no decoder expects") from error


def _decode_with_pyav(data: bytes, max_seconds: float) -> Waveform:
    options = _OPTIONS | _WAV_OPTIONS if data.startswith(b"RIFF") else _OPTIONS
    with av.open(io.BytesIO(data), "r", options=options, metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise undecodable("it holds no audio track")
        frames = _admissible(container.decode(audio=0), max_seconds)
        return _joined([_mono(block) for block in _blocks(frames)])


class _Meter:
    """What has been decoded so far, held against what a recording may be."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._layout: tuple[str, int, int] | None = None
        self._frames, self._changes = 0, -1
        self.seconds = 0.0

    def count(self, frame: AudioFrame) -> None:
        """Add a frame.

        Raises:
            TooLongAudio: the frames so far go past the limit.
            UndecodableAudio: the frame claims an absurd sampling rate, or ever new ones, or is one
                of too many.
        """
        if frame.sample_rate not in SAMPLING_RATES:
            raise undecodable(f"it claims a sampling rate of {frame.sample_rate} Hz")
        self._changes += _layout(frame) != self._layout
        self._layout = _layout(frame)
        if self._changes > _MOST_CHANGES:
            raise undecodable("it changes its sampling rate or channels again and again")
        self._frames += 1
        self.seconds += frame.samples / frame.sample_rate
        if self._frames > _FRAMES_FREE + self.seconds * _FRAMES_A_SECOND:
            raise undecodable("it is cut into too many pieces")
        if self.seconds > self._max_seconds + _ROUNDING_S:
            raise too_long(self._max_seconds)


def _admissible(frames: Iterator[AudioFrame], max_seconds: float) -> Iterator[AudioFrame]:
    """The frames one by one, metered; a truncated file ends where the damage begins."""
    meter = _Meter(max_seconds)
    try:
        for frame in frames:
            meter.count(frame)
            yield frame
    except av.error.FFmpegError:
        if not meter.seconds:
            raise
    if not meter.seconds:
        raise undecodable("its audio track holds no sound")


def _blocks(frames: Iterator[AudioFrame]) -> Iterator[list[AudioFrame]]:
    """Frames of one layout together, as many as are worth mixing at once."""
    block: list[AudioFrame] = []
    values = 0
    for frame in frames:
        full = values >= _BLOCK_VALUES or len(block) >= _BLOCK_FRAMES
        if block and (full or _layout(frame) != _layout(block[0])):
            yield block
            block, values = [], 0
        block.append(frame)
        values += frame.samples * frame.layout.nb_channels
    yield block


def _joined(pieces: list[Waveform]) -> Waveform:
    """One waveform; streams may change their rate on the way."""
    rate = pieces[0].sampling_rate
    return Waveform(np.concatenate([resample(piece, rate).samples for piece in pieces]), rate)


def _layout(frame: AudioFrame) -> tuple[str, int, int]:
    return frame.format.name, frame.layout.nb_channels, frame.sample_rate


def _mono(frames: list[AudioFrame]) -> Waveform:
    """Frames of one layout, joined and averaged over their channels."""
    sound = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    if not frames[0].format.is_planar:
        sound = sound.reshape(-1, frames[0].layout.nb_channels).T
    if sound.dtype.kind == "f":
        # Before anything is added to them, or one bad value would spoil its neighbours.
        sound = finite(sound)
    mono = sound.mean(axis=0, dtype=np.float32)
    if sound.dtype == np.uint8:
        mono -= 128
    if sound.dtype.kind in "iu":
        mono /= 2.0 ** (8 * sound.dtype.itemsize - 1)
    return Waveform(mono, frames[0].sample_rate)


def _checked(waveform: Waveform, limits: DecodeLimits) -> Waveform:
    if waveform.seconds > limits.max_seconds + _ROUNDING_S:
        raise too_long(limits.max_seconds)
    if waveform.seconds < limits.min_seconds - _ROUNDING_S:
        raise TooShortAudio(
            f"The recording is too short: {waveform.seconds:.2f} s of sound, at least "
            f"{limits.min_seconds:g} s are needed."
        )
    resampled = resample(waveform, limits.sampling_rate)
    return Waveform(finite(resampled.samples), limits.sampling_rate)
