"""Sounds and films as files, the same bytes from the same version of ffmpeg."""

from __future__ import annotations

import io
import subprocess
import tempfile
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scripts.demo.canvas import HEIGHT, WIDTH

Samples: TypeAlias = NDArray[np.float64]

SAMPLE_RATE: Final = 16000
FRAMES_PER_SECOND: Final = 12
CODECS: Final[Mapping[str, tuple[str, ...]]] = {
    "wav": ("-c:a", "pcm_s16le"),
    "flac": ("-c:a", "flac"),
    "mp3": ("-c:a", "libmp3lame", "-ar", "24000", "-b:a", "24k"),
    "m4a": ("-c:a", "aac", "-ar", "48000", "-b:a", "28k"),
    "ogg": ("-c:a", "libvorbis", "-q:a", "0"),
    "webm": ("-c:a", "libopus", "-ar", "48000", "-b:a", "20k"),
    "mov": (
        *("-c:v", "libx264", "-preset", "veryslow", "-tune", "animation", "-crf", "29"),
        *("-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-ar", "48000", "-b:a", "40k"),
    ),
}
REPEATABLE: Final = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact")


def encode_film(frames: bytes, samples: Samples, path: Path) -> None:
    """Write a film of 8-bit RGB frames and sound."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder, "sound.wav")
        sound.write_bytes(to_wav(samples))
        raw_video = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}")
        rate = ("-r", str(FRAMES_PER_SECOND))
        ffmpeg(path, (*raw_video, *rate, "-i", "pipe:0", "-i", str(sound)), frames)


def encode_audio(samples: Samples, path: Path) -> None:
    """Encode sound in the format that the name asks for."""
    ffmpeg(path, ("-f", "wav", "-i", "pipe:0"), to_wav(samples))


def ffmpeg(path: Path, inputs: tuple[str, ...], data: bytes) -> None:
    """Run ffmpeg with ``data`` on its standard input."""
    options = (*CODECS[path.suffix[1:]], *REPEATABLE)
    command = ("ffmpeg", "-y", "-loglevel", "error", *inputs, *options, str(path))
    subprocess.run(command, input=data, check=True)


def to_wav(samples: Samples) -> bytes:
    """Pack sound as a 16-bit mono WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return buffer.getvalue()
