"""The audio encoder of Whisper, and of the models that took it over.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022. The weights are
those of a checkpoint that transformers has loaded; the passes are ours, since they may be shorter
than 30 s and give a middle layer, and since on a processor attention head by head keeps its scores
in the cache: in bfloat16 it takes half the time of PyTorch's fused attention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional

FRAMES_A_POSITION: Final = 2
"""Spectrogram frames for each position of the encoder's output."""


_PART: Final = 250
"""Positions that go through a layer's widest tensors at once, on a processor."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights of ``y = x W^T + b``."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Apply to the last dimension."""
        return functional.linear(inputs, self.weight, self.bias)


Projection = Callable[[torch.Tensor], torch.Tensor]
"""A linear layer, however its weights are kept."""
Pack = Callable[[Linear], Projection]
"""Keeps a linear layer's weights in some other way."""


def unpacked(linear: Linear) -> Projection:
    """A linear layer as it is."""
    return linear


@dataclass(frozen=True, slots=True)
class Norm:
    """Weights of a layer normalisation."""

    weight: torch.Tensor
    bias: torch.Tensor
    epsilon: float

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Apply to the last dimension."""
        return functional.layer_norm(
            inputs, self.weight.shape, self.weight, self.bias, self.epsilon
        )


def linear_of(module: Any) -> Linear:
    """The weights of a ``torch.nn.Linear``."""
    return Linear(module.weight.detach(), None if module.bias is None else module.bias.detach())


def norm_of(module: Any) -> Norm:
    """The weights of a ``torch.nn.LayerNorm``."""
    return Norm(module.weight.detach(), module.bias.detach(), module.eps)


def merged_of(attention: Any) -> Linear:
    """Queries, keys and values of an attention as one matrix; the queries scaled."""
    scale = attention.scaling
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    biases = [
        torch.zeros_like(part.weight[:, 0]) if part.bias is None else part.bias.detach()
        for part in projections
    ]
    weights = [part.weight.detach() for part in projections]
    return Linear(
        torch.cat([weights[0] * scale, *weights[1:]]), torch.cat([biases[0] * scale, *biases[1:]])
    )


@dataclass(frozen=True, slots=True)
class _EncoderLayer:
    heads: int
    attention_norm: Norm
    merged: Projection
    attention_out: Projection
    forward_norm: Norm
    widen: Projection
    narrow: Projection

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """``[batch, positions, width]`` to the same."""
        merged = self.merged(self.attention_norm(hidden))
        hidden = hidden + self.attention_out(_attend(merged, self.heads))
        if hidden.device.type != "cpu":
            return _finite(hidden + self._forward(hidden))
        # Part by part: the widest tensors of all stay in the cache, and need little memory.
        for part in torch.split(hidden, _PART, dim=1):
            part += self._forward(part)
        return _finite(hidden)

    def _forward(self, hidden: torch.Tensor) -> torch.Tensor:
        # In place: fresh memory for the widest tensor would cost more than the operation.
        wide = torch.ops.aten.gelu_(self.widen(self.forward_norm(hidden)))
        return self.narrow(wide)


class AudioEncoder:
    """Spectrograms to hidden states."""

    def __init__(self, encoder: Any, pack: Pack = unpacked) -> None:
        """Take over a loaded module.

        Args:
            encoder: with the names of transformers' ``WhisperEncoder``.
            pack: for its linear layers.
        """
        self._convolutions = (encoder.conv1, encoder.conv2)
        self._positions = encoder.embed_positions.weight.detach()
        self._layers = [_layer_of(layer, pack) for layer in encoder.layers]
        self._norm = norm_of(encoder.layer_norm)

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self._layers)

    @property
    def longest(self) -> int:
        """Most positions of one pass."""
        return len(self._positions)

    def __call__(self, mel: torch.Tensor, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch.

        Args:
            mel: ``[batch, bands, frames]`` in the weights' dtype, frames an even number.
            layer: which layer's output is wanted besides the last, counted from 1.

        Returns:
            The outputs of the last layer and of ``layer``, before the norm, both
            ``[batch, frames / 2, width]``.
        """
        hidden = mel
        for convolution in self._convolutions:
            hidden = functional.gelu(convolution(hidden))
        hidden = hidden.transpose(1, 2)
        hidden = hidden + self._positions[: hidden.shape[1]]
        tapped = hidden
        for number, each in enumerate(self._layers, start=1):
            hidden = each(hidden)
            if number == layer:
                tapped = hidden
        return hidden, tapped

    def norm(self, hidden: torch.Tensor) -> torch.Tensor:
        """The normalisation behind the last layer."""
        return self._norm(hidden)


def _layer_of(layer: Any, pack: Pack) -> _EncoderLayer:
    return _EncoderLayer(
        heads=layer.self_attn.num_heads,
        attention_norm=norm_of(layer.self_attn_layer_norm),
        merged=pack(merged_of(layer.self_attn)),
        attention_out=pack(linear_of(layer.self_attn.out_proj)),
        forward_norm=norm_of(layer.final_layer_norm),
        widen=pack(linear_of(layer.fc1)),
        narrow=pack(linear_of(layer.fc2)),
    )


def _attend(merged: torch.Tensor, heads: int) -> torch.Tensor:
    """Self-attention ``[batch, positions, width]`` of merged queries, keys and values."""
    batch, positions, width = merged.shape
    split = merged.view(batch, positions, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
    queries, keys, values = split.unbind()
    if merged.device.type == "cpu" and merged.dtype == torch.bfloat16:
        attended = _attend_by_head(queries, keys, values)
    else:
        attended = functional.scaled_dot_product_attention(queries, keys, values, scale=1.0)
    return attended.transpose(1, 2).reshape(batch, positions, width // 3)


def _attend_by_head(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    """Attention ``[batch, heads, positions, head width]`` with the scores of one head at a time."""
    attended = torch.empty_like(queries, memory_format=torch.contiguous_format)
    for row in range(queries.shape[0]):
        for head in range(queries.shape[1]):
            scores = queries[row, head] @ keys[row, head].t()
            torch.mm(scores.softmax(dim=1), values[row, head], out=attended[row, head])
    return attended


def _finite(hidden: torch.Tensor) -> torch.Tensor:
    """Float16 overflows where some checkpoints' activations peak; transformers clamps it alike."""
    if hidden.dtype != torch.float16:
        return hidden
    most = torch.finfo(torch.float16).max - 1000
    return hidden.clamp(-most, most)
