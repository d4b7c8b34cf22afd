"""The phone network: depthwise convolutions over log-mel frames, CTC over 39 phones.

Blocks follow ConvNeXt (Liu et al., 2022, arXiv:2201.03545) in one dimension; the output is trained
with connectionist temporal classification (Graves et al., 2006).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from audio_score_server.language.phones import PHONES
from audio_score_server.runners.phones.frontend import HOP, MEL_BINS, SAMPLING_RATE

WIDTH: Final = 224
BLOCKS: Final = 9
KERNEL: Final = 9
EXPANSION: Final = 3
STRIDE: Final = 2
FRAME_RATE_HZ: Final = SAMPLING_RATE / (HOP * STRIDE)
"""Output frames a second: 50."""


class _Block(nn.Module):
    """One residual block; expects and leaves padded frames at zero."""

    def __init__(self, drop_rate: float) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        # One-dimensional in meaning; PyTorch's channels-last kernels, twenty times as fast on a
        # CPU as Conv1d's, exist for two dimensions only.
        self.depthwise = nn.Conv2d(
            WIDTH, WIDTH, (KERNEL, 1), padding=(KERNEL // 2, 0), groups=WIDTH
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, EXPANSION * WIDTH)
        self.contract = nn.Linear(EXPANSION * WIDTH, WIDTH)

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        context = self.depthwise(frames.transpose(1, 2).unsqueeze(-1))
        context = context.squeeze(-1).transpose(1, 2)
        hidden = nn.functional.gelu(self.expand(self.norm(context)))
        return (frames + self._dropped(self.contract(hidden))) * mask

    def _dropped(self, branch: torch.Tensor) -> torch.Tensor:
        """Stochastic depth (Huang et al., 2016): in training, some recordings skip the block."""
        if not self.training:
            return branch
        kept = torch.rand(branch.shape[0], 1, 1) >= self.drop_rate
        return branch * (kept / (1 - self.drop_rate))


class PhoneNetwork(nn.Module):
    """Maps log-mel frames to phone log-probabilities, 20 ms apart."""

    def __init__(self, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Conv1d(MEL_BINS, WIDTH, 5, stride=STRIDE, padding=2)
        self.blocks = nn.ModuleList(_Block(drop_rate) for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 1 + len(PHONES))

    def forward(self, mel: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Phone log-probabilities of a padded batch.

        A recording's rows do not depend on what it is batched with: frames past its length are
        held at zero before every convolution, exactly like the edge of the tensor.

        Args:
            mel: ``[batch, frames, 64]`` normalised log-mel, zero past each length.
            lengths: int64 ``[batch]``, log-mel frames of each recording.

        Returns:
            float32 ``[batch, ceil(frames / 2), 40]`` natural log-probabilities, blank first; only
            the first ``output_length(lengths)`` rows of each recording mean anything.
        """
        frames = self.stem(mel.transpose(1, 2)).transpose(1, 2)
        positions = torch.arange(frames.shape[1], device=mel.device)
        mask = (positions < output_length(lengths)[:, None]).to(frames.dtype)[:, :, None]
        frames = frames * mask
        for block in self.blocks:
            frames = block(frames, mask)
        logits: torch.Tensor = self.head(self.norm(frames))
        return logits.float().log_softmax(dim=-1)


def output_length(lengths: torch.Tensor) -> torch.Tensor:
    """Output frames of recordings with the given numbers of log-mel frames."""
    return (lengths + STRIDE - 1) // STRIDE
