"""Passes of Whisper's decoder over many hypotheses of each of several windows.

The encoder's output is projected once to the keys and values of every layer, which pays as soon as
a transcript has some dozens of tokens. All hypotheses of a window share them, and they share the
memory of their tokens, too: each is a path through a tree, and which tokens it descends from is a
mask. When hypotheses fork or die nothing is copied (attention along trees: Miao et al.,
"SpecInfer", 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch.nn import functional

from audio_score_server.runners.whisper.cross_attention import (
    CrossAttention,
    ExactCrossAttention,
    Hear,
    RoundedCrossAttention,
)
from audio_score_server.runners.whisper.decoder import DecoderLayer, TextDecoder

_GROWTH: Final = 256
"""Tokens for which memory is added at once."""
Heads = Sequence[tuple[int, int]]
"""Layer and head of each."""


@dataclass(slots=True)
class TreeCache:
    """What the decoder remembers of several windows.

    Attributes:
        cross: of each layer, the encoder's keys and values.
        own: of each layer, the tokens' keys and values ``[windows, heads, capacity, width]``.
        length: tokens so far, of all hypotheses of a window.
    """

    cross: list[CrossAttention]
    own: list[tuple[torch.Tensor, torch.Tensor]]
    length: int = 0

    def keep(self, windows: list[int]) -> None:
        """Forget all other windows."""
        places = torch.tensor(windows, device=self.own[0][0].device)
        # One after the other, lest all be in memory twice.
        for number, (keys, values) in enumerate(self.own):
            self.cross[number].keep(places)
            self.own[number] = (keys[places], values[places])

    def room(self, tokens: int) -> None:
        """See to it that so many more fit."""
        capacity = self.own[0][0].shape[2]
        if self.length + tokens > capacity:
            more = (0, 0, 0, max(tokens, _GROWTH))
            self.own = [
                (functional.pad(keys, more), functional.pad(values, more))
                for keys, values in self.own
            ]


@dataclass(frozen=True, slots=True)
class Pass:
    """What came of a pass.

    Attributes:
        hidden: ``[windows, tokens, width]``, normalised.
        attention: ``[windows, heads, tokens, positions]`` before the softmax, of the heads that
            were asked for.
    """

    hidden: torch.Tensor
    attention: torch.Tensor | None


class CachedDecoder:
    """A decoder for long transcripts."""

    def __init__(self, decoder: TextDecoder, hear: Hear = ExactCrossAttention) -> None:
        """Share the weights of another one; ``hear`` keeps what its layers hear."""
        self._decoder, self._hear = decoder, hear
        self._heads = decoder.layers[0].heads

    def window_bytes(self, positions: int) -> int:
        """Memory for the keys and values of what is heard in so many positions."""
        each = 1 if self._hear is RoundedCrossAttention else self._decoder.dtype.itemsize
        return len(self._decoder.layers) * 2 * positions * self._decoder.positions.shape[1] * each

    def cache(self, audio: torch.Tensor) -> TreeCache:
        """Memory for windows as the encoder heard them, ``[windows, positions, width]``."""
        audio = audio.to(self._decoder.dtype)
        cross = [
            self._hear(layer.cross.to_keys, layer.cross.to_values, audio, self._heads)
            for layer in self._decoder.layers
        ]
        windows, _, width = audio.shape
        empty = audio.new_zeros(windows, self._heads, 0, width // self._heads)
        return TreeCache(cross, [(empty, empty) for _ in cross])

    def run(
        self,
        cache: TreeCache,
        tokens: torch.Tensor,
        places: torch.Tensor,
        visible: torch.Tensor,
        attention_of: Heads = (),
    ) -> Pass:
        """Feed tokens, which the cache remembers.

        Args:
            cache: of the windows.
            tokens: int64 ``[windows, tokens]``.
            places: int64 of the same shape: of each in its transcript.
            visible: bool ``[windows, tokens, cache.length + tokens]``: what each attends to.
            attention_of: layers and heads whose attention to the sound is wanted.
        """
        decoder = self._decoder
        hidden = decoder.embedded(tokens, places)
        bias = torch.zeros(visible.shape, dtype=hidden.dtype, device=hidden.device)
        bias.masked_fill_(~visible, -torch.inf)
        cache.room(tokens.shape[1])
        looked: list[torch.Tensor] = []
        for number, layer in enumerate(decoder.layers):
            wanted = [head for own, head in attention_of if own == number]
            hidden = hidden + self._attend(layer, hidden, cache, number, bias[:, None])
            hidden = hidden + self._listen(layer, hidden, cache.cross[number], wanted, looked)
            hidden = hidden + layer.narrow(functional.gelu(layer.widen(layer.forward_norm(hidden))))
        cache.length += tokens.shape[1]
        return Pass(decoder.norm(hidden), torch.cat(looked, dim=1) if looked else None)

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """Of every token of the vocabulary to come next, float32."""
        return self._decoder.vocabulary(hidden).float()

    def _attend(
        self,
        layer: DecoderLayer,
        hidden: torch.Tensor,
        cache: TreeCache,
        number: int,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        windows, count, width = hidden.shape
        merged = layer.merged(layer.self_norm(hidden)).view(windows, count, 3, self._heads, -1)
        queries, keys, values = merged.permute(2, 0, 3, 1, 4).unbind()
        known_keys, known_values = cache.own[number]
        end = cache.length + count
        known_keys[:, :, cache.length : end] = keys
        known_values[:, :, cache.length : end] = values
        scores = queries @ known_keys[:, :, :end].transpose(2, 3) + bias
        attended = scores.softmax(dim=3) @ known_values[:, :, :end]
        return layer.self_out(attended.transpose(1, 2).reshape(windows, count, width))

    def _listen(
        self,
        layer: DecoderLayer,
        hidden: torch.Tensor,
        cross: CrossAttention,
        wanted: list[int],
        looked: list[torch.Tensor],
    ) -> torch.Tensor:
        queries = self._by_head(layer.cross.queries(layer.cross.norm(hidden)))
        scores = cross.scores(queries)
        if wanted:
            looked.append(scores[:, wanted].float())
        attended = cross.mean(scores.softmax(dim=3))
        return layer.cross.out(attended.transpose(1, 2).reshape(hidden.shape))

    def _by_head(self, hidden: torch.Tensor) -> torch.Tensor:
        """``[windows, tokens, width]`` to ``[windows, heads, tokens, head width]``."""
        windows, count, _ = hidden.shape
        return hidden.view(windows, count, self._heads, -1).transpose(1, 2).contiguous()
