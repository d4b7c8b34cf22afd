"""Whisper's weights under the names that checkpoints give them.

These modules hold weights and compute nothing: the passes are ours (``encoder``, ``decoder``).
transformers has modules of the same names, but to import them takes seconds and 140 MB, for
training, compilation and many GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class SideSizes:
    """Of the encoder, or of the decoder.

    Attributes:
        layers: number of layers.
        heads: of each attention.
        inner: width between the two linear layers behind it.
        positions: most of one pass.
    """

    layers: int
    heads: int
    inner: int
    positions: int


@dataclass(frozen=True, slots=True)
class WhisperSizes:
    """Of a model.

    Attributes:
        width: of hidden states; each side's heads share it evenly.
        bands: of spectrograms.
        words: tokens of the vocabulary.
        encoder: of the encoder.
        decoder: of the decoder.
    """

    width: int
    bands: int
    words: int
    encoder: SideSizes
    decoder: SideSizes


class WhisperModules(nn.Module):
    """A model of some sizes; its weights are still to be put in."""

    def __init__(self, sizes: WhisperSizes) -> None:
        """Take no memory yet."""
        super().__init__()
        with torch.device("meta"):
            self.model = nn.Module()
            self.model.encoder = _encoder(sizes)
            self.model.decoder = _decoder(sizes)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.scaling = (width // heads) ** -0.5
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)


def _encoder(sizes: WhisperSizes) -> nn.Module:
    encoder = nn.Module()
    encoder.conv1 = nn.Conv1d(sizes.bands, sizes.width, kernel_size=3, padding=1)
    encoder.conv2 = nn.Conv1d(sizes.width, sizes.width, kernel_size=3, stride=2, padding=1)
    _add_layers(encoder, sizes.width, sizes.encoder)
    return encoder


def _decoder(sizes: WhisperSizes) -> nn.Module:
    decoder = nn.Module()
    decoder.embed_tokens = _embedding(sizes.words, sizes.width)
    _add_layers(decoder, sizes.width, sizes.decoder)
    layers: Any = decoder.layers
    for layer in layers:
        layer.encoder_attn = _Attention(sizes.width, sizes.decoder.heads)
        layer.encoder_attn_layer_norm = nn.LayerNorm(sizes.width)
    return decoder


def _add_layers(side: nn.Module, width: int, sizes: SideSizes) -> None:
    side.embed_positions = _embedding(sizes.positions, width)
    side.layers = nn.ModuleList(_layer(width, sizes) for _ in range(sizes.layers))
    side.layer_norm = nn.LayerNorm(width)


def _embedding(count: int, width: int) -> nn.Module:
    # By its own constructor it would draw random numbers, for which PyTorch imports its compiler.
    weight = torch.empty(count, width)
    return nn.Embedding(count, width, _weight=weight)


def _layer(width: int, sizes: SideSizes) -> nn.Module:
    layer = nn.Module()
    layer.self_attn = _Attention(width, sizes.heads)
    layer.self_attn_layer_norm = nn.LayerNorm(width)
    layer.fc1 = nn.Linear(width, sizes.inner)
    layer.fc2 = nn.Linear(sizes.inner, width)
    layer.final_layer_norm = nn.LayerNorm(width)
    return layer
