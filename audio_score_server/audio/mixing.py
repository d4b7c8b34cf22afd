"""Frames of any layout to one channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from av import AudioFrame

from audio_score_server.audio.frames import layout
from audio_score_server.audio.resample import resample
from audio_score_server.audio.samples import finite
from audio_score_server.domain import Waveform

_BLOCK_VALUES: Final = 2**20
_BLOCK_FRAMES: Final = 1024
"""Values of all channels, and frames, that are held before they are mixed to one."""


def mixed(frames: Iterator[AudioFrame]) -> Waveform:
    """The mean of the channels, at the rate of the first frame."""
    return _joined([_mono(block) for block in _blocks(frames)])


def _blocks(frames: Iterator[AudioFrame]) -> Iterator[list[AudioFrame]]:
    """Frames of one layout together, as many as are worth mixing at once."""
    block: list[AudioFrame] = []
    values = 0
    for frame in frames:
        full = values >= _BLOCK_VALUES or len(block) >= _BLOCK_FRAMES
        if block and (full or layout(frame) != layout(block[0])):
            yield block
            block, values = [], 0
        block.append(frame)
        values += frame.samples * frame.layout.nb_channels
    yield block


def _joined(pieces: list[Waveform]) -> Waveform:
    """One waveform; streams may change their rate on the way."""
    rate = pieces[0].sampling_rate
    return Waveform(np.concatenate([resample(piece, rate).samples for piece in pieces]), rate)


def _mono(frames: list[AudioFrame]) -> Waveform:
    """Frames of one layout, joined and averaged over their channels."""
    sound = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    if not frames[0].format.is_planar:
        sound = sound.reshape(-1, frames[0].layout.nb_channels).T
    if sound.dtype.kind == "f":
        # Before anything is added to them, or one bad value would spoil its neighbours.
        sound = finite(sound)
    mono = sound.mean(axis=0, dtype=np.float32)
    if sound.dtype == np.uint8:
        mono -= 128
    if sound.dtype.kind in "iu":
        mono /= 2.0 ** (8 * sound.dtype.itemsize - 1)
    return Waveform(mono, frames[0].sample_rate)
