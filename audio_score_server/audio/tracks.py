"""A file's sound, by PyAV: which of its tracks is heard, and how often it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import av.error
import numpy as np
from av.container import InputContainer

from audio_score_server.audio.frames import admissible, opened
from audio_score_server.audio.mixing import mixed
from audio_score_server.audio.samples import undecodable
from audio_score_server.domain import Waveform
from audio_score_server.errors import UndecodableAudio

_MOST_TRACKS: Final = 6
"""As many as programs that record a screen write. Each can cost as much as a whole recording."""
_QUIET: Final = 1e-6
"""Energy of a track, full scale 1, that may hold no voice: a microphone that is off has noise."""
_MUCH_LOUDER: Final = 100.0
"""Times the energy of a quiet track: it could be a quiet voice, and the other one its music."""


def heard(data: bytes, max_seconds: float) -> Waveform:
    """The mono sound of a file, at its own rate.

    Of several tracks that is the one FFmpeg thinks best, or if it is silent, the next with sound.

    Args:
        data: the whole file.
        max_seconds: decoding stops with an error as soon as a track has gone past this.

    Raises:
        FFmpegError: the file cannot be decoded.
        TooLongAudio: it holds more than ``max_seconds``.
        UndecodableAudio: it holds no sound, or claims what no recording is.
    """
    with opened(data) as container:
        tracks = _best_first(container)
        if not tracks:
            raise undecodable("it holds no audio track")
        if len(tracks) == 1:
            return _mono(data, container, tracks[0], max_seconds)
    return _first_with_sound(data, tracks, max_seconds)


def _best_first(container: InputContainer) -> list[int]:
    """Places of the tracks that may be heard, among those of sound."""
    best = container.streams.best("audio")
    order = sorted(enumerate(container.streams.audio), key=lambda pair: pair[1] is not best)
    return [place for place, _ in order[:_MOST_TRACKS]]


def _first_with_sound(data: bytes, tracks: Sequence[int], max_seconds: float) -> Waveform:
    """The first track that is not quiet, or a quiet one where all are."""
    chosen: Waveform | None = None
    refusal: Exception | None = None
    spent_s = 0.0
    for track in tracks:
        if spent_s > max_seconds:
            # All tracks together cost no more than two of the longest.
            break
        try:
            with opened(data) as container:
                sound = _mono(data, container, track, max_seconds)
        except (av.error.FFmpegError, UndecodableAudio) as error:
            refusal = refusal or error
            spent_s += max_seconds / 2
            continue
        spent_s += sound.seconds
        if chosen is None or _energy(sound) > _MUCH_LOUDER * _energy(chosen):
            chosen = sound
        if _energy(chosen) > _QUIET:
            break
    if chosen is None:
        raise refusal or undecodable("its audio tracks hold no sound")
    return chosen


def _energy(sound: Waveform) -> float:
    """Of a sample on average, without what is constant."""
    return float(np.var(sound.samples, dtype=np.float64))


def _mono(data: bytes, container: InputContainer, track: int, max_seconds: float) -> Waveform:
    """A track in one channel, read a second time where the first mixture has lost sound."""
    mix = mixed(admissible(container, container.streams.audio[track], max_seconds))
    if not mix.lossy:
        return mix.waveform
    signs = mix.signs
    # The first mixture takes as much memory as the second, and is no longer needed.
    del mix
    with opened(data) as again:
        frames = admissible(again, again.streams.audio[track], max_seconds)
        return mixed(frames, signs).waveform
