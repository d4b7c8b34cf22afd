"""The least that a machine needs for a batch: its operations at the rate of large products.

Counted is what no implementation gets round: convolutions, linear layers and attention over the
recording's own length, a multiplication and an addition each, without biases, norms, activations
and softmax, and without the time to fetch weights. The decoder is given the prompt and the right
transcript in one pass.
"""

from __future__ import annotations

import time
from typing import Any, Final

import torch

from bench.measure import median

_POSITIONS_A_SECOND: Final = 50
_PROMPT: Final = 4
_SIDE: Final = {"cpu": 4_096, "cuda": 16_384}
"""Of the square matrices."""
_PRODUCTS: Final = 9


def encoder_operations(config: Any, seconds: float) -> float:
    """Floating-point operations of an encoder, by its configuration, on so much sound."""
    positions, width = round(seconds * _POSITIONS_A_SECOND), config.d_model
    # The first convolution is at twice as many places.
    convolutions = 3 * width * positions * (2 * config.num_mel_bins + width)
    # Queries, keys, values and outputs; two linear layers; products with keys and with values.
    linear = positions * width * (4 * width + 2 * config.encoder_ffn_dim)
    attention = 2 * positions**2 * width
    operations: float = 2.0 * (convolutions + config.encoder_layers * (linear + attention))
    return operations


def decoder_operations(config: Any, seconds: float, written: int) -> float:
    """Floating-point operations of a decoder for the prompt and so many tokens."""
    tokens, width = _PROMPT + written, config.d_model
    # Of each block, the products with six square matrices and two oblong ones, and attention to
    # the tokens so far.
    linear = tokens * width * (6 * width + 2 * config.decoder_ffn_dim)
    attention = width * tokens * (tokens + 1)
    positions, heads = round(seconds * _POSITIONS_A_SECOND), config.decoder_attention_heads
    # What was heard is projected to keys and values; or, the same by other brackets, each head's
    # queries are projected back and its mean of what was heard projected to values.
    projected = 2 * positions * width * (width + tokens)
    bracketed = 2 * tokens * width * (width + heads * positions)
    layer = linear + attention + min(projected, bracketed)
    # The last token of the prompt and those of the transcript each ask for one more.
    vocabulary = (written + 1) * width * config.vocab_size
    operations: float = 2.0 * (config.decoder_layers * layer + vocabulary)
    return operations


def multiplication_rate(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations a second in products of large square matrices: the median."""
    side = _SIDE[torch.device(device).type]
    left, right = (torch.randn(side, side).to(device, dtype) for _ in range(2))
    out = torch.empty_like(left)
    seconds = [_product_s(left, right, out) for _ in range(_PRODUCTS + 1)]
    # The first pays for what is set up once.
    return 2.0 * side**3 / median(seconds[1:])


def _product_s(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor) -> float:
    started = time.perf_counter()
    torch.mm(left, right, out=out)
    if out.is_cuda:
        torch.cuda.synchronize(out.device)
    return time.perf_counter() - started
