"""A recording's bytes to frames of sound, by PyAV, within limits on what they may claim."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final

import av
import av.error
import numpy as np
from av import AudioFrame, AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from audio_score_server.audio.ffmpeg_memory import bound_allocations
from audio_score_server.audio.samples import SAMPLING_RATES, too_long, undecodable

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
_MOST_PLANES: Final = 8
"""A frame of more has a list of them that PyAV reads past its end, into whatever is there."""
_DTYPES: Final = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
"""FFmpeg's name of a format, channels in turn, to NumPy's."""
_FRAMES_A_SECOND: Final = 2_000
_FRAMES_FREE: Final = 4_000
"""Opus, the finest, has 400 frames a second. A frame costs the same however little it holds."""
_MOST_DAMAGED: Final = 1_000
"""Packets that are left out. A tag with a picture, between two takes, can look like a hundred."""
ROUNDING_S: Final = 1e-6


bound_allocations()


def opened(data: bytes) -> InputContainer:
    """The container that the bytes are; to be closed.

    Raises:
        FFmpegError: they are none that is admitted.
    """
    return opened_file(io.BytesIO(data))


def opened_file(file: BinaryIO) -> InputContainer:
    """The container in a file at its beginning, as ``opened``."""
    riff = file.read(4) == b"RIFF"
    file.seek(0)
    options = _OPTIONS | _WAV_OPTIONS if riff else _OPTIONS
    return av.open(file, "r", options=options, metadata_errors="ignore")


def layout(frame: AudioFrame) -> tuple[str, int, int]:
    """Format, number of channels and sampling rate in Hz: what frames mixed together share."""
    return frame.format.name, frame.layout.nb_channels, frame.sample_rate


def values(frame: AudioFrame) -> NDArray[Any]:
    """A frame's samples as they are stored: ``[channels, samples]``, or in turn ``[1, samples]``.

    As ``AudioFrame.to_ndarray``, which follows FFmpeg's pointers until one is zero: the eighth is
    followed by something else, and a recording in 7.1 ended the process.
    """
    planar, channels = frame.format.is_planar, frame.layout.nb_channels
    planes: tuple[Any, ...] = frame.planes[: channels if planar else 1]
    count = frame.samples * (1 if planar else channels)
    dtype = _DTYPES[frame.format.name.removesuffix("p")]
    return np.stack([np.frombuffer(plane, dtype, count) for plane in planes])


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
            UndecodableAudio: the frame claims an absurd sampling rate, too many channels, or ever
                new ones, or is one of too many.
        """
        if frame.sample_rate not in SAMPLING_RATES:
            raise undecodable(f"it claims a sampling rate of {frame.sample_rate} Hz")
        channels = frame.layout.nb_channels
        if frame.format.is_planar and channels > _MOST_PLANES:
            raise undecodable(f"it claims {channels} channels")
        self._changes += layout(frame) != self._layout
        self._layout = layout(frame)
        if self._changes > _MOST_CHANGES:
            raise undecodable("it changes its sampling rate or channels again and again")
        self._frames += 1
        self.seconds += frame.samples / frame.sample_rate
        if self._frames > _FRAMES_FREE + self.seconds * _FRAMES_A_SECOND:
            raise undecodable("it is cut into too many pieces")
        if self.seconds > self._max_seconds + ROUNDING_S:
            raise too_long(self._max_seconds)


def admissible(
    container: InputContainer, track: AudioStream, max_seconds: float
) -> Iterator[AudioFrame]:
    """The frames of a track one by one, metered; a truncated file ends where it is cut.

    Raises:
        FFmpegError: the track cannot be decoded from its beginning.
        TooLongAudio: it goes past ``max_seconds``.
        UndecodableAudio: it holds no sound, or claims what no recording is.
    """
    meter = _Meter(max_seconds)
    try:
        for frame in _decoded(container, track):
            meter.count(frame)
            yield frame
    except av.error.FFmpegError:
        if not meter.seconds:
            raise
    if not meter.seconds:
        raise undecodable("its audio track holds no sound")


def _decoded(container: InputContainer, track: AudioStream) -> Iterator[AudioFrame]:
    """The frames of a track; what is damaged behind the first of them is left out."""
    began, damaged = False, 0
    for packet in container.demux(track):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            # Where takes were joined there are tags in between, which are no sound.
            damaged += 1
            if not began or damaged > _MOST_DAMAGED:
                raise
            continue
        began = began or bool(frames)
        yield from frames
