"""Bytes of a recording or a clip to a mono waveform.

PyAV decodes in process, with the FFmpeg that its wheel carries. What it refuses goes to pydub,
which reads odd WAV files by itself and starts the system's ffmpeg, if there is one, for the rest.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import av.error

from audio_score_server.audio.fallback import decode_behind
from audio_score_server.audio.frames import ROUNDING_S
from audio_score_server.audio.resample import resample
from audio_score_server.audio.samples import finite, too_long, undecodable
from audio_score_server.audio.tracks import heard
from audio_score_server.domain import Waveform
from audio_score_server.errors import AudioError, EmptyAudio, TooShortAudio

_LOG = logging.getLogger(__name__)


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

    def check_short(self, seconds: float) -> None:
        """Refuse what is too short.

        Raises:
            TooShortAudio: less sound than ``min_seconds``.
        """
        if seconds < self.min_seconds - ROUNDING_S:
            raise TooShortAudio(
                f"The recording is too short: {seconds:.2f} s of sound, at least "
                f"{self.min_seconds:g} s are needed."
            )


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
        return heard(data, max_seconds)
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


def _checked(waveform: Waveform, limits: DecodeLimits) -> Waveform:
    if waveform.seconds > limits.max_seconds + ROUNDING_S:
        raise too_long(limits.max_seconds)
    limits.check_short(waveform.seconds)
    resampled = resample(waveform, limits.sampling_rate)
    return Waveform(finite(resampled.samples), limits.sampling_rate)
