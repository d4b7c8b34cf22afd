"""Recordings of one length in any format, made from the demo's own."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.container import OutputContainer

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Waveform
from bench.demo import DEMO_RECORDINGS

SECONDS: Final = 4.0
_RATE: Final = 48_000
"""What microphones of phones and browsers give."""
_ANY_LENGTH: Final = DecodeLimits(_RATE, 0.1, 3_600.0)
_PICTURE: Final = (320, 180)
_PICTURE_RATE: Final = 12


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    Attributes:
        container: FFmpeg's name.
        codec: FFmpeg's name of the encoder.
        options: of the encoder.
        layout: channels.
        pictures: whether moving pictures go along.
        rate: in Hz; that of the sound where None.
        container_options: of the container.
    """

    container: str
    codec: str
    options: tuple[tuple[str, str], ...] = ()
    layout: str = "mono"
    pictures: bool = False
    rate: int | None = None
    container_options: tuple[tuple[str, str], ...] = ()


FORMATS: Final = {
    "wav": Format("wav", "pcm_s16le"),
    "mp3": Format("mp3", "libmp3lame"),
    "m4a": Format("ipod", "aac"),
    "webm": Format("webm", "libopus"),
    # The FFmpeg in PyAV's wheel has only the Vorbis encoder that knows two channels and calls
    # itself an experiment.
    "ogg": Format("ogg", "vorbis", (("strict", "experimental"),), layout="stereo"),
    "flac": Format("flac", "flac"),
    "mov": Format("mov", "aac", pictures=True),
}
"""File-name ending to format."""


def write_demo_recordings(folder: Path) -> None:
    """Every demo recording of a clip, looped or cut to one length, in the format that it had."""
    for path in DEMO_RECORDINGS.glob("*_*_*.*"):
        sound = demo_sound(path, SECONDS)
        (folder / path.name).write_bytes(encode(sound, path.suffix.removeprefix(".")))


def demo_sound(path: Path, seconds: float = SECONDS) -> Waveform:
    """The sound of a file, looped or cut to one length."""
    sound = decode(path.read_bytes(), _ANY_LENGTH)
    return Waveform(np.resize(sound.samples, round(seconds * _RATE)), _RATE)


def encode(waveform: Waveform, ending: str) -> bytes:
    """A file in the format that one of the endings in ``FORMATS`` stands for."""
    return encode_as(waveform, FORMATS[ending])


def encode_as(waveform: Waveform, form: Format) -> bytes:
    """A file in any format; the same sound gives the same bytes."""
    buffer = io.BytesIO()
    options = {"fflags": "bitexact", **dict(form.container_options)}
    with av.open(buffer, "w", format=form.container, options=options) as container:
        rate = form.rate or waveform.sampling_rate
        sound = container.add_stream(form.codec, rate=rate, options=dict(form.options))
        assert isinstance(sound, av.AudioStream)
        sound.layout = form.layout
        if form.pictures:
            _add_pictures(container, waveform.seconds)
        container.mux(sound.encode(_frame(waveform)))
        container.mux(sound.encode(None))
    return buffer.getvalue()


def _frame(waveform: Waveform) -> av.AudioFrame:
    samples: Any = np.ascontiguousarray(waveform.samples[None])
    frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
    frame.sample_rate, frame.pts = waveform.sampling_rate, 0
    return frame


def _add_pictures(container: OutputContainer, seconds: float) -> None:
    """A brightness that wanders, so that no two pictures are alike."""
    video = container.add_stream("libx264", rate=_PICTURE_RATE)
    video.width, video.height = _PICTURE
    video.pix_fmt = "yuv420p"
    ramp = np.arange(video.height * video.width).reshape(video.height, video.width)
    for index in range(round(seconds * _PICTURE_RATE)):
        grey = ((ramp // video.width + ramp + 5 * index) % 256).astype(np.uint8)
        picture = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
        container.mux(video.encode(picture))
    container.mux(video.encode(None))
