"""What the decoder remembers of transcripts that go through it pass by pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class KVCache:
    """What the decoder remembers of the transcripts of a batch.

    Attributes:
        audio: encoder output ``[rows, positions, width]``.
        keys: of the tokens so far, ``[layers, rows, capacity, heads, head width]``.
        values: like ``keys``.
    """

    audio: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor

    def move(self, source: int, target: int) -> None:
        """Put one transcript's memory in place of another's."""
        self.audio[target] = self.audio[source]
        self.keys[:, target] = self.keys[:, source]
        self.values[:, target] = self.values[:, source]
