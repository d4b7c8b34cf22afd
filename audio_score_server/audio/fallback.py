"""pydub behind PyAV: odd WAV files in process, the rest through the system's ffmpeg."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

from audio_score_server.audio.resample import SAMPLING_RATES
from audio_score_server.domain import Waveform
from audio_score_server.errors import UndecodableAudio

if TYPE_CHECKING:
    from pydub import AudioSegment

_FORMAT_OF_MAGIC: Final = (
    (0, b"RIFF", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"#!AMR", "amr"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (4, b"ftyp", "mp4"),
)
"""Only bytes that begin like a recording go on, with their format named: ffmpeg's own guess could
take an upload for a playlist and open files and addresses of the server."""


def decode_with_pydub(data: bytes, max_seconds: float, refusal: Exception) -> Waveform:
    """Decode what PyAV refused.

    Args:
        data: the whole file.
        max_seconds: decoding stops a second after this.
        refusal: PyAV's reason, told to the caller when pydub cannot either.

    Raises:
        UndecodableAudio: pydub or the system's ffmpeg refuse the file too, or are not there.
    """
    name = _format_of(data)
    if name is None:
        raise _undecodable(refusal)
    with warnings.catch_warnings():
        # pydub warns at import when there is no ffmpeg, which is the usual case here.
        warnings.simplefilter("ignore")
        from pydub import AudioSegment

        try:
            segment = AudioSegment.from_file(
                io.BytesIO(data), format=name, duration=max_seconds + 1
            )
        except Exception as error:
            # pydub lets struct, index, JSON and process errors through as they come.
            raise _undecodable(refusal) from error
    return _waveform(segment.set_channels(1).set_sample_width(4), refusal)


def _waveform(segment: AudioSegment, refusal: Exception) -> Waveform:
    samples = np.array(segment.get_array_of_samples(), np.float32) / np.float32(2**31)
    if not len(samples) or segment.frame_rate not in SAMPLING_RATES:
        raise _undecodable(refusal)
    return Waveform(samples, segment.frame_rate)


def _format_of(data: bytes) -> str | None:
    for offset, magic, name in _FORMAT_OF_MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return name
    return None


def _undecodable(refusal: Exception) -> UndecodableAudio:
    reason = getattr(refusal, "strerror", None) or str(refusal)
    return UndecodableAudio(
        f"The recording cannot be decoded: {reason}. Send a whole audio file, such as WAV, MP3, "
        "M4A, WebM, Ogg or FLAC."
    )
