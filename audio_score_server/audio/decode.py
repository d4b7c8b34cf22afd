"""Bytes of a recording or a clip to a mono waveform.

PyAV decodes in process, with the FFmpeg that its wheel carries. What it refuses goes to pydub,
which reads odd WAV files by itself and starts the system's ffmpeg, if there is one, for the rest.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import av
import av.error
import numpy as np
from av import AudioFrame

from audio_score_server.audio.fallback import decode_with_pydub
from audio_score_server.audio.resample import SAMPLING_RATES, resample
from audio_score_server.domain import FloatArray, Waveform
from audio_score_server.errors import EmptyAudio, TooLongAudio, TooShortAudio, UndecodableAudio

_FORMATS: Final = (
    "wav,w64,aiff,caf,au,mp3,aac,flac,ogg,amr,amrnb,amrwb,"
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv"
)
"""Containers that hold their own sound. Playlists are left out: an uploaded one could make FFmpeg
open files and addresses of the server."""
_OPTIONS: Final = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
_WAV_OPTIONS: Final = {"probesize": "32768"}
"""FFmpeg reads on and on into a WAV file, looking for what its header has told long before."""
_BLOCK_VALUES: Final = 2**20
"""Values of all channels that are held before they are mixed to one."""
_LARGEST_SAMPLE: Final = 8.0
"""Decoders of lossy formats overshoot full scale a little; nothing sane overshoots it so far."""


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
        EmptyAudio: there are no bytes, or no sound in them.
        UndecodableAudio: no decoder takes the bytes for a recording.
        TooShortAudio: less sound than ``limits.min_seconds``.
        TooLongAudio: more sound than ``limits.max_seconds``; noticed while decoding.
    """
    if not data:
        raise EmptyAudio("The recording is empty (0 bytes). Record again and send the whole file.")
    try:
        waveform = _decode_with_pyav(data, limits)
    except (av.error.FFmpegError, UndecodableAudio, ValueError, OverflowError) as refusal:
        waveform = decode_with_pydub(data, limits.max_seconds, refusal)
    return _checked(waveform, limits)


def _decode_with_pyav(data: bytes, limits: DecodeLimits) -> Waveform:
    options = _OPTIONS | _WAV_OPTIONS if data.startswith(b"RIFF") else _OPTIONS
    with av.open(io.BytesIO(data), "r", options=options) as container:
        if not container.streams.audio:
            raise UndecodableAudio("the file holds no audio track")
        frames = _admissible(container.decode(audio=0), limits.max_seconds)
        return _joined([_mono(block) for block in _blocks(frames)])


def _admissible(frames: Iterator[AudioFrame], max_seconds: float) -> Iterator[AudioFrame]:
    """The frames one by one; a truncated file ends where the damage begins.

    Raises:
        TooLongAudio: as soon as the frames so far go past the limit.
        UndecodableAudio: there are none, or they claim an absurd sampling rate.
    """
    seconds = 0.0
    try:
        for frame in frames:
            if frame.sample_rate not in SAMPLING_RATES:
                raise UndecodableAudio(f"the file claims a sampling rate of {frame.sample_rate} Hz")
            seconds += frame.samples / frame.sample_rate
            if seconds > max_seconds:
                raise too_long(max_seconds)
            yield frame
    except av.error.FFmpegError:
        if not seconds:
            raise
    if not seconds:
        raise UndecodableAudio("its audio track holds no sound")


def _blocks(frames: Iterator[AudioFrame]) -> Iterator[list[AudioFrame]]:
    """Frames of one layout together, as many as are worth mixing at once."""
    block: list[AudioFrame] = []
    values = 0
    for frame in frames:
        if block and (values >= _BLOCK_VALUES or _layout(frame) != _layout(block[0])):
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
    mono = sound.mean(axis=0, dtype=np.float32)
    if sound.dtype == np.uint8:
        mono -= 128
    if sound.dtype.kind in "iu":
        mono /= 2.0 ** (8 * sound.dtype.itemsize - 1)
    return Waveform(mono, frames[0].sample_rate)


def _checked(waveform: Waveform, limits: DecodeLimits) -> Waveform:
    if waveform.seconds > limits.max_seconds:
        raise too_long(limits.max_seconds)
    if waveform.seconds < limits.min_seconds:
        raise TooShortAudio(
            f"The recording is too short: {waveform.seconds:.2f} s of sound, at least "
            f"{limits.min_seconds:g} s are needed."
        )
    resampled = resample(waveform, limits.sampling_rate)
    return Waveform(_finite(resampled.samples), limits.sampling_rate)


def _finite(samples: FloatArray) -> FloatArray:
    """Float formats can carry infinities and NaN; they become silence, and excess is clipped."""
    cleaned = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(cleaned, -_LARGEST_SAMPLE, _LARGEST_SAMPLE).astype(np.float32, copy=False)


def too_long(max_seconds: float) -> TooLongAudio:
    """The refusal of a recording that goes past the limit."""
    return TooLongAudio(
        f"The recording is too long: more than {max_seconds:g} s. Send the one line that the clip "
        "holds, or raise AUDIO_SCORE_MAX_AUDIO_SECONDS."
    )
