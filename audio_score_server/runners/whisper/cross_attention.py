"""What a decoder's layer hears: the keys and values of several windows, exact or rounded.

The few queries of a window, one for each hypothesis, share its keys and values, of which there are
1,500 for each head: a processor does little else than read them. Rounded to eight bits they are a
quarter as large. Keys are scaled by channel, because some of their channels are far larger than
others, and values by position (Liu et al., "KIVI", 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import torch
from torch.nn import functional

from audio_score_server.compiled import compiled
from audio_score_server.domain import FloatArray, IntArray
from audio_score_server.runners.whisper.encoder import Projection

_LARGEST: Final = 127
_LEAST: Final = 1e-9
"""Channels and positions that hold nothing larger are scaled by this."""
_BLOCK: Final = 64
"""Positions, and channels of a head, that are taken at once: Whisper's heads are as wide."""


class CrossAttention(Protocol):
    """The keys and values of several windows in one layer."""

    def scores(self, queries: torch.Tensor) -> torch.Tensor:
        """Products of ``[windows, heads, tokens, head width]`` with the keys.

        Returns:
            ``[windows, heads, tokens, positions]``, maybe with further positions of minus infinity.
        """

    def mean(self, weights: torch.Tensor) -> torch.Tensor:
        """Weighted sums of the values: the shape of ``scores`` to that of its queries."""

    def keep(self, windows: torch.Tensor) -> None:
        """Forget all other windows."""


Hear = Callable[[Projection, Projection, torch.Tensor, int], CrossAttention]
"""Projections to keys and values, ``[windows, positions, width]`` and a number of heads to what a
layer hears."""


def choose_cross_attention(head_width: int, int8: bool) -> Hear:
    """How a decoder keeps what it hears; ``int8``: whether it is in eight bits itself."""
    return RoundedCrossAttention if int8 and head_width <= _BLOCK else ExactCrossAttention


class ExactCrossAttention:
    """Keys and values as they are projected, on any device."""

    def __init__(
        self, to_keys: Projection, to_values: Projection, audio: torch.Tensor, heads: int
    ) -> None:
        """Project windows as the encoder heard them, ``[windows, positions, width]``."""
        windows, positions, _ = audio.shape
        by_head = (windows, positions, heads, -1)
        # Keys the other way round: matrices of few rows are multiplied faster so.
        self._keys = to_keys(audio).view(by_head).permute(0, 2, 3, 1).contiguous()
        self._values = to_values(audio).view(by_head).transpose(1, 2).contiguous()

    def scores(self, queries: torch.Tensor) -> torch.Tensor:
        """See ``CrossAttention``."""
        return queries @ self._keys

    def mean(self, weights: torch.Tensor) -> torch.Tensor:
        """See ``CrossAttention``."""
        return weights @ self._values

    def keep(self, windows: torch.Tensor) -> None:
        """Forget all other windows."""
        self._keys = self._keys[windows]
        self._values = self._values[windows]


class RoundedCrossAttention:
    """Keys and values of eight bits on a processor, in blocks as they are read."""

    def __init__(
        self, to_keys: Projection, to_values: Projection, audio: torch.Tensor, heads: int
    ) -> None:
        """Project windows as the encoder heard them, float32 ``[windows, positions, width]``.

        Raises:
            ValueError: a head has more channels than a block.
        """
        windows, self._positions, width = audio.shape
        self._width = width // heads
        if self._width > _BLOCK:
            raise ValueError(f"a head has {self._width} channels, more than {_BLOCK}")
        blocks = -(-self._positions // _BLOCK)
        shape = (windows, heads, blocks)
        self._keys = torch.empty((*shape, _BLOCK, _BLOCK), dtype=torch.int8)
        self._values = torch.empty((*shape, _BLOCK, _BLOCK), dtype=torch.int8)
        self._key_scales = torch.empty(windows, heads, 1, self._width)
        self._value_scales = torch.empty(windows, heads, blocks * _BLOCK)
        # One by one: the float32 of all windows at once would be larger than all that is kept.
        for window, heard in enumerate(audio):
            self._put_keys(window, to_keys(heard).view(self._positions, heads, -1))
            self._put_values(window, to_values(heard).view(self._positions, heads, -1))

    def _put_keys(self, window: int, keys: torch.Tensor) -> None:
        rounded, scales = _rounded(keys, dim=0)
        self._key_scales[window] = scales.transpose(0, 1)
        self._keys[window] = self._blocked(rounded).permute(2, 0, 3, 1)

    def _put_values(self, window: int, values: torch.Tensor) -> None:
        rounded, scales = _rounded(values, dim=2)
        behind = self._value_scales.shape[2] - self._positions
        self._value_scales[window] = functional.pad(scales[:, :, 0].t(), (0, behind))
        self._values[window] = self._blocked(rounded).permute(2, 0, 1, 3)

    def _blocked(self, rounded: torch.Tensor) -> torch.Tensor:
        """``[positions, heads, width]`` to ``[blocks, positions of one, heads, columns]``."""
        behind = -len(rounded) % _BLOCK
        padded = functional.pad(rounded, (0, _BLOCK - self._width, 0, 0, 0, behind))
        return padded.view(-1, _BLOCK, *padded.shape[1:])

    def scores(self, queries: torch.Tensor) -> torch.Tensor:
        """See ``CrossAttention``."""
        behind = (0, _BLOCK - self._width)
        scaled = functional.pad(queries * self._key_scales, behind).contiguous()
        windows, heads, blocks = self._keys.shape[:3]
        found = torch.empty(windows, heads, queries.shape[2], blocks * _BLOCK)
        _score(scaled.numpy(), self._keys.numpy(), found.numpy())
        found[..., self._positions :] = -torch.inf
        return found

    def mean(self, weights: torch.Tensor) -> torch.Tensor:
        """See ``CrossAttention``."""
        found = torch.empty(*weights.shape[:3], _BLOCK)
        values, scales = self._values.numpy(), self._value_scales.numpy()
        _average(weights.contiguous().numpy(), values, scales, found.numpy())
        return found[..., : self._width]

    def keep(self, windows: torch.Tensor) -> None:
        """Forget all other windows."""
        self._keys, self._key_scales = self._keys[windows], self._key_scales[windows]
        self._values, self._value_scales = self._values[windows], self._value_scales[windows]


def _rounded(numbers: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Int8, and what they are to be multiplied with: along ``dim`` the largest becomes 127."""
    scales = (numbers.abs().amax(dim=dim, keepdim=True) / _LARGEST).clamp(min=_LEAST)
    return (numbers / scales).round_().to(torch.int8), scales


@compiled("void(float32[:, ::1], int64, float32[:, ::1], float32[:, ::1])", contract=True)
def _add_product(left: FloatArray, first: int, block: FloatArray, sums: FloatArray) -> None:
    """Add ``left[:, first:first + 64] @ block`` to ``sums``, both 64 columns wide.

    Two rows at a time, so that what is read of the block serves both; all that is used in the
    innermost loop fits into registers.
    """
    rows = len(left)
    for row in range(0, rows - 1, 2):
        for inner in range(0, 64, 4):
            at = first + inner
            a, b, c, d = left[row, at], left[row, at + 1], left[row, at + 2], left[row, at + 3]
            e, f = left[row + 1, at], left[row + 1, at + 1]
            g, h = left[row + 1, at + 2], left[row + 1, at + 3]
            for place in range(64):
                p, q = block[inner, place], block[inner + 1, place]
                r, s = block[inner + 2, place], block[inner + 3, place]
                sums[row, place] += a * p + b * q + c * r + d * s
                sums[row + 1, place] += e * p + f * q + g * r + h * s
    if rows % 2:
        row = rows - 1
        for inner in range(0, 64, 4):
            at = first + inner
            a, b, c, d = left[row, at], left[row, at + 1], left[row, at + 2], left[row, at + 3]
            for place in range(64):
                p, q = block[inner, place], block[inner + 1, place]
                r, s = block[inner + 2, place], block[inner + 3, place]
                sums[row, place] += a * p + b * q + c * r + d * s


@compiled("void(float32[:, :, :, ::1], int8[:, :, :, :, ::1], float32[:, :, :, ::1])")
def _score(queries: FloatArray, keys: IntArray, scores: FloatArray) -> None:
    """Products of queries ``[windows, heads, tokens, 64]`` with all keys."""
    windows, heads, blocks, _, _ = keys.shape
    block = np.empty((64, 64), np.float32)
    sums = np.empty((queries.shape[2], 64), np.float32)
    for window in range(windows):
        for head in range(heads):
            for number in range(blocks):
                for row in range(64):
                    for place in range(64):
                        block[row, place] = keys[window, head, number, row, place]
                sums[:] = 0
                _add_product(queries[window, head], 0, block, sums)
                scores[window, head, :, 64 * number : 64 * number + 64] = sums


@compiled(
    "void(float32[:, :, :, ::1], int8[:, :, :, :, ::1], float32[:, :, ::1], float32[:, :, :, ::1])"
)
def _average(weights: FloatArray, values: IntArray, scales: FloatArray, means: FloatArray) -> None:
    """Sums ``[windows, heads, tokens, 64]`` of all values, weighted."""
    windows, heads, blocks, _, _ = values.shape
    block = np.empty((64, 64), np.float32)
    sums = np.empty((weights.shape[2], 64), np.float32)
    for window in range(windows):
        for head in range(heads):
            sums[:] = 0
            for number in range(blocks):
                for row in range(64):
                    scale = scales[window, head, 64 * number + row]
                    for place in range(64):
                        block[row, place] = values[window, head, number, row, place] * scale
                _add_product(weights[window, head], 64 * number, block, sums)
            means[window, head] = sums
