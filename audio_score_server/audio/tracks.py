"""A file's sound, by PyAV: which track is heard, and how often it is read."""

from __future__ import annotations

from audio_score_server.audio.frames import admissible, opened
from audio_score_server.audio.mixing import Mix, Signs, mixed
from audio_score_server.audio.samples import undecodable
from audio_score_server.domain import Waveform


def heard(data: bytes, max_seconds: float) -> Waveform:
    """The mono sound of a file, at its own rate.

    Args:
        data: the whole file.
        max_seconds: decoding stops with an error as soon as it has gone past this.

    Raises:
        FFmpegError: the file cannot be decoded.
        TooLongAudio: it holds more than ``max_seconds``.
        UndecodableAudio: it holds no sound, or claims what no recording is.
    """
    mix = _mix(data, max_seconds)
    if not mix.lossy:
        return mix.waveform
    signs = mix.signs
    # The first mixture takes as much memory as the second, and is no longer needed.
    del mix
    return _mix(data, max_seconds, signs).waveform


def _mix(data: bytes, max_seconds: float, signs: tuple[Signs | None, ...] = ()) -> Mix:
    with opened(data) as container:
        if not container.streams.audio:
            raise undecodable("it holds no audio track")
        frames = admissible(container, container.streams.audio[0], max_seconds)
        return mixed(frames, signs)
