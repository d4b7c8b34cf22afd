"""Frames of any layout to one channel, in which nothing is lost that any channel holds.

The mean of the channels is all that is wanted where they agree. Where one is upside down, the mean
cancels what both hold; where most are silent, it is faint. How channels relate is measured while
they are averaged: sound that was cancelled is mixed again with signs, from the beginning, since
keeping every channel until the end could take gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

from audio_score_server.audio.frames import layout, values
from audio_score_server.audio.resample import resample
from audio_score_server.audio.samples import finite
from audio_score_server.domain import FloatArray, Waveform

_BLOCK_VALUES: Final = 2**20
_BLOCK_FRAMES: Final = 1024
"""Values of all channels, and frames, that are held before they are mixed to one."""
_CANCELLED: Final = 0.5
"""Share of the energy that mixing with signs keeps: less than this, and the mean has lost it."""
_OPPOSED: Final = -1 / 3
"""The cosine at which two equally loud channels lose that share; the sum of all would not show it
beside a third that is louder."""
_FAINT: Final = 0.4
"""Share of the loudest channel's energy. Two channels that have nothing in common leave 0.5."""
_MOST_RELATED: Final = 64
"""Channels that are held against each other, which costs the square of their number."""

Signs = NDArray[np.float32]
"""A factor of 1 or -1 for each channel."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Sound in one channel.

    Attributes:
        waveform: the mixture, at the rate of the first frame.
        signs: for each stretch of one layout, how to mix it; None means as they are.
        lossy: mixing again, with these signs, keeps what this mixture has lost.
    """

    waveform: Waveform
    signs: tuple[Signs | None, ...]
    lossy: bool


def mixed(frames: Iterator[AudioFrame], signs: Sequence[Signs | None] = ()) -> Mix:
    """Mix a recording down.

    Args:
        frames: at least one.
        signs: of an earlier mixture of the same frames that was lossy.
    """
    stretches: list[_Stretch] = []
    known: tuple[str, int, int] | None = None
    for block in _blocks(frames):
        if layout(block[0]) != known:
            known = layout(block[0])
            given = signs[len(stretches)] if signs else None
            stretches.append(_Stretch(block[0].sample_rate, block[0].layout.nb_channels, given))
        stretches[-1].add(_channels(block))
    better = () if signs else tuple(stretch.better_signs() for stretch in stretches)
    lossy = any(one is not None for one in better)
    return Mix(_joined([stretch.waveform() for stretch in stretches]), better, lossy)


def mixed_whole(sound: FloatArray, sampling_rate: int) -> Waveform:
    """Mix what is in memory: float32 ``[channels, samples]``, full scale 1."""
    stretch = _Stretch(sampling_rate, len(sound), None)
    stretch.add(sound)
    signs = stretch.better_signs()
    if signs is not None:
        stretch = _Stretch(sampling_rate, len(sound), signs)
        stretch.add(sound)
    return stretch.waveform()


def mono_blocks(frames: Iterator[AudioFrame]) -> Iterator[Waveform]:
    """A recording of any length mixed down bit by bit, as ``mixed_whole`` does each of them."""
    for block in _blocks(frames):
        yield mixed_whole(_channels(block), block[0].sample_rate)


class _Stretch:
    """Sound of one layout, mixed, and how its channels relate."""

    def __init__(self, rate: int, channels: int, signs: Signs | None) -> None:
        self._rate, self._signs = rate, signs
        self._pieces: list[FloatArray] = []
        self._related = 1 < channels <= _MOST_RELATED
        # What each two channels have in common; their energies are between.
        self._products = np.zeros((channels, channels) if self._related else (0, 0))

    def add(self, sound: FloatArray) -> None:
        """Mix more of it: float32 ``[channels, samples]``."""
        if self._signs is None:
            self._pieces.append(sound.mean(axis=0, dtype=np.float32))
        else:
            self._pieces.append(self._signs @ sound / np.float32(len(sound)))
        if self._related:
            # What is constant is no sound, and would hide that the sound cancels.
            sound = sound - sound.mean(axis=1, keepdims=True)
            self._products += sound @ sound.T

    def better_signs(self) -> Signs | None:
        """Signs that keep what the mean of the channels loses; None where it loses little."""
        if not self._related:
            return None
        shared = self._products
        signs = _agreeing(shared)
        kept = shared.sum() >= _CANCELLED * (signs @ shared @ signs)
        if kept and _alikeness(shared).min() >= _OPPOSED:
            return None
        return signs.astype(np.float32)

    def waveform(self) -> Waveform:
        """The mixture, as loud as the loudest channel where it would be faint."""
        mono = np.concatenate(self._pieces)
        mono *= np.float32(self._gain(mono))
        return Waveform(mono, self._rate)

    def _gain(self, mono: FloatArray) -> float:
        if not self._related or not len(mono):
            return 1.0
        shared = self._products
        signs = np.ones(len(shared)) if self._signs is None else self._signs.astype(np.float64)
        energy = float(signs @ shared @ signs) / len(shared) ** 2
        loudest = float(shared.diagonal().max())
        if energy <= 0 or energy >= _FAINT * loudest:
            return 1.0
        # Not beyond full scale: a remote model is sent whole numbers.
        peak = max(float(mono.max()), -float(mono.min()))
        return float(min((loudest / energy) ** 0.5, max(1.0, 1.0 / peak)))


def _alikeness(shared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines of each two channels; 0 beside silence."""
    lengths = np.sqrt(shared.diagonal())
    lengths[lengths == 0] = np.inf
    return np.asarray(shared / np.outer(lengths, lengths))


def _agreeing(shared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signs under which the channels add up, that of the first loud one being 1.

    No single other sign would make the sum louder; it is as loud as that of unrelated channels at
    least.
    """
    energies = shared.diagonal()
    first = int((energies >= energies.max() / 2).argmax())
    signs = np.where(shared[first] < 0, -1.0, 1.0)
    others = shared - np.diag(energies)
    # Each turn makes the sum louder, so it ends; the bound is for rounding.
    for _ in range(len(signs) ** 2):
        agreement = signs * (others @ signs)
        worst = int(agreement.argmin())
        if agreement[worst] >= 0:
            break
        signs[worst] = -signs[worst]
    signs *= signs[first]
    return signs


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
    if len(pieces) == 1:
        return pieces[0]
    rate = pieces[0].sampling_rate
    return Waveform(np.concatenate([resample(piece, rate).samples for piece in pieces]), rate)


def _channels(frames: list[AudioFrame]) -> FloatArray:
    """Frames of one layout, joined: float32 ``[channels, samples]``, full scale 1."""
    sound = np.concatenate([values(frame) for frame in frames], axis=1)
    if not frames[0].format.is_planar:
        sound = sound.reshape(-1, frames[0].layout.nb_channels).T
    if sound.dtype.kind == "f":
        # Before anything is added to them, or one bad value would spoil its neighbours.
        return finite(sound)
    scaled = sound.astype(np.float32)
    if sound.dtype == np.uint8:
        scaled -= 128
    return scaled / np.float32(2.0 ** (8 * sound.dtype.itemsize - 1))
