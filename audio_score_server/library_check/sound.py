"""What is wrong with the sound of one clip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from audio_score_server.audio.contours import contours
from audio_score_server.audio.resample import resample
from audio_score_server.audio.vad import VAD_RATE
from audio_score_server.domain import Encoding, Waveform
from audio_score_server.library_check.background import background_of
from audio_score_server.library_check.findings import Finding
from audio_score_server.scoring.recording_warnings import (
    LEAST_SPEECH_S,
    MOST_CLIPPED,
    SILENT_DB,
    clipped_share,
    loudest_db,
    speech_s,
)
from audio_score_server.scoring.text import evidence_mean

_BELOW_DB: Final = 22.0
"""Below the voice: a background that is louder is told. 99 of 100 clean recordings have more than
26, those with noise at a signal-to-noise ratio of 10 dB hardly ever more than 20."""
_TONAL_DB: Final = -21.0
"""Spectral flatness of music; that of noise and of rooms is above -16."""
_LEAST_WORTH: Final = 0.25
"""Of the text's phones (``evidence_mean``): right texts have less in one of 170 cases, wrong ones
more in one of 150, of speakers that the model never heard."""


def check_sound(
    name: str, waveform: Waveform, encoding: Encoding, has_text: bool
) -> Iterator[Finding]:
    """What is wrong with a clip's sound, or with its text by what is heard.

    Args:
        name: of the clip's file.
        waveform: its sound.
        encoding: by the phone model, the text expected where there is one.
        has_text: whether a text in the model's language is expected.
    """
    drawn = contours(waveform)
    if loudest_db(drawn) < SILENT_DB:
        yield Finding(name, "silent", f"nothing is louder than {SILENT_DB:.0f} dB")
        return
    if speech_s(encoding.features) < LEAST_SPEECH_S:
        yield Finding(name, "no_speech", f"{speech_s(encoding.features):.2f} s of speech")
        return
    if (share := clipped_share(drawn)) > MOST_CLIPPED:
        yield Finding(name, "clipped", f"{share:.0%} of its loud parts touch full scale")
    yield from _background(name, waveform)
    if has_text and encoding.evidence is not None:
        worth = evidence_mean(encoding.evidence)
        if worth < _LEAST_WORTH:
            yield Finding(
                name, "text_mismatch", f"the sound bears out {worth:.0%} of what the text says"
            )


def _background(name: str, waveform: Waveform) -> Iterator[Finding]:
    samples = resample(waveform, VAD_RATE).samples
    background = background_of(np.asarray(samples, np.float32))
    if background is None or background.below_db >= _BELOW_DB:
        return
    is_music = background.flatness_db < _TONAL_DB
    what = "tones" if is_music else "noise"
    yield Finding(
        name,
        "music" if is_music else "noise",
        f"{what} {background.below_db:.0f} dB below the voice",
    )
