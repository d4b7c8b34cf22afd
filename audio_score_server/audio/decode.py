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
from av.container import InputContainer

from audio_score_server.audio.fallback import decode_with_pydub
from audio_score_server.audio.resample import resample
from audio_score_server.domain import FloatArray, Waveform
from audio_score_server.errors import EmptyAudio, TooLongAudio, TooShortAudio, UndecodableAudio

_FORMATS: Final = (
    "wav,w64,aiff,caf,au,mp3,aac,flac,ogg,amr,amrnb,amrwb,"
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv"
)
"""Containers that hold their own sound. Playlists are left out: an uploaded one could make FFmpeg
open files and addresses of the server."""
_OPTIONS: Final = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
_SAMPLING_RATES: Final = range(4_000, 384_001)
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
    with av.open(io.BytesIO(data), "r", options=dict(_OPTIONS)) as container:
        if not container.streams.audio:
            raise UndecodableAudio("the file holds no audio track")
        return _collect(_mono_blocks(container), limits.max_seconds)


def _mono_blocks(container: InputContainer) -> Iterator[Waveform]:
    """Decoded blocks in order, mixed to mono, each at the rate its frame states."""
    mixer, layout = None, None
    for frame in container.decode(audio=0):
        if frame.sample_rate not in _SAMPLING_RATES:
            raise UndecodableAudio(f"the file claims a sampling rate of {frame.sample_rate} Hz")
        if (frame.format.name, frame.layout.name, frame.sample_rate) != layout:
            layout = (frame.format.name, frame.layout.name, frame.sample_rate)
            mixer = av.AudioResampler(format="flt", layout="mono", rate=frame.sample_rate)
        assert mixer is not None
        for mono in mixer.resample(frame):
            samples = mono.to_ndarray().reshape(-1).astype(np.float32, copy=False)
            yield Waveform(samples, frame.sample_rate)


def _collect(blocks: Iterator[Waveform], max_seconds: float) -> Waveform:
    """Join blocks; a truncated file keeps what came before the damage."""
    pieces: list[Waveform] = []
    seconds = 0.0
    try:
        for block in blocks:
            seconds += block.seconds
            if seconds > max_seconds:
                raise too_long(max_seconds)
            pieces.append(block)
    except av.error.FFmpegError:
        if not pieces:
            raise
    if not pieces:
        raise UndecodableAudio("its audio track holds no sound")
    return _joined(pieces)


def _joined(pieces: list[Waveform]) -> Waveform:
    rate = pieces[0].sampling_rate
    same_rate = [
        piece if piece.sampling_rate == rate else resample(piece, rate) for piece in pieces
    ]
    return Waveform(np.concatenate([piece.samples for piece in same_rate]), rate)


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
