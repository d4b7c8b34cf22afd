"""Behind PyAV: pydub for odd WAV files, in process; the system's ffmpeg, if any, for the rest."""

from __future__ import annotations

import logging
import shutil
import subprocess
import warnings
from typing import Final

import numpy as np

from audio_score_server.audio.ffmpeg_memory import LARGEST_BYTES
from audio_score_server.audio.mixing import mixed_whole
from audio_score_server.audio.samples import SAMPLING_RATES, undecodable
from audio_score_server.audio.tracks import heard
from audio_score_server.domain import Waveform
from audio_score_server.errors import AudioError

with warnings.catch_warnings():
    # pydub warns where there is no ffmpeg, which is the usual case here.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

_LOG = logging.getLogger(__name__)
_FORMAT_OF_MAGIC: Final = (
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"#!AMR", "amr"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (4, b"ftyp", "mp4"),
)
"""Only bytes that begin like a recording go to ffmpeg, with their format named and every protocol
but the pipe forbidden: its own guess could take an upload for a playlist or a session description
and open the server's files and sockets. (pydub's own way to ffmpeg asks ffprobe, which guesses.)"""
_FFMPEG_S: Final = 20.0
_FFMPEG_RATE: Final = 48_000
_FFMPEG_LAYOUTS: Final = "aformat=channel_layouts=mono|stereo|5.1"
"""Channels are mixed here, where none cancels another. More of them could take too much memory."""


def decode_behind(data: bytes, max_seconds: float, refusal: Exception) -> Waveform:
    """Decode what PyAV refused.

    Args:
        data: the whole file.
        max_seconds: ffmpeg stops a second after this.
        refusal: PyAV's reason, told when the others refuse the file too.

    Raises:
        TooLongAudio: ffmpeg finds more than ``max_seconds``.
        UndecodableAudio: nobody takes the bytes for a recording.
    """
    try:
        waveform = _with_pydub(data) if data[:4] == b"RIFF" else _with_ffmpeg(data, max_seconds)
    except AudioError:
        raise
    except Exception as error:
        # pydub lets struct, index, audioop and wave errors through as they come.
        _LOG.debug("No decoder behind PyAV takes %d bytes.", len(data), exc_info=True)
        raise undecodable(_reason(refusal)) from error
    if waveform is None or not len(waveform.samples):
        raise undecodable(_reason(refusal))
    return waveform


def _with_pydub(data: bytes) -> Waveform | None:
    segment = AudioSegment(data=data)
    if segment.frame_rate not in SAMPLING_RATES:
        return None
    values = np.array(segment.set_sample_width(4).get_array_of_samples(), np.float32)
    sound = values.reshape(-1, segment.channels).T / np.float32(2**31)
    return mixed_whole(sound, segment.frame_rate)


def _with_ffmpeg(data: bytes, max_seconds: float) -> Waveform | None:
    program = shutil.which("ffmpeg")
    name = next((name for at, magic, name in _FORMAT_OF_MAGIC if data.startswith(magic, at)), None)
    if program is None or name is None:
        return None
    command = [program, "-loglevel", "quiet", "-max_alloc", str(LARGEST_BYTES)]
    command += ["-protocol_whitelist", "pipe", "-f", name]
    command += ["-i", "pipe:0", "-vn", "-t", f"{max_seconds + 1:g}"]
    command += ["-af", _FFMPEG_LAYOUTS, "-ar", str(_FFMPEG_RATE), "-c:a", "pcm_s16le"]
    command += ["-f", "wav", "pipe:1"]
    result = subprocess.run(command, input=data, capture_output=True, check=True, timeout=_FFMPEG_S)
    return heard(result.stdout, max_seconds)


def _reason(refusal: Exception) -> str:
    return getattr(refusal, "strerror", None) or str(refusal)
