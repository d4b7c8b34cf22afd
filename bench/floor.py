"""The least that a machine needs for a batch: its operations at the rate of large products.

Counted is what no implementation gets round: convolutions, linear layers and attention, a
multiplication and an addition each, without biases, norms, activations and softmax, and without the
time to fetch weights. The decoder is given the prompt and the right transcript in one pass.
"""

from __future__ import annotations

import time
from typing import Final

import torch

from bench.checkpoints import SIZES, TOWER, Size
from bench.measure import median
from bench.tokens import SENTENCE_TOKENS

_FRAMES: Final = 3_000
"""Of log-mel in a window of 30 s; the second convolution halves them."""
_POSITIONS: Final = _FRAMES // 2
_PROMPT: Final = 4
_SIDE: Final = {"cpu": 4_096, "cuda": 16_384}
"""Of the square matrices."""
_PRODUCTS: Final = 9


def encoder_operations(size: Size) -> float:
    """Floating-point operations of an encoder on one window."""
    convolutions = 3 * size.width * (_FRAMES * size.bins + _POSITIONS * size.width)
    # Queries, keys, values and outputs; two linear layers; products with keys and with values.
    linear = _POSITIONS * size.width * (4 * size.width + 2 * size.inner)
    attention = 2 * _POSITIONS**2 * size.width
    return 2.0 * (convolutions + size.encoder_layers * (linear + attention))


def decoder_operations(size: Size) -> float:
    """Floating-point operations of a decoder for prompt and transcript of one window."""
    tokens = _PROMPT + SENTENCE_TOKENS
    seen = tokens * (tokens + 1) // 2
    # Of each block, the products with six square matrices and two oblong ones, and attention to
    # the tokens so far.
    linear = tokens * size.width * (6 * size.width + 2 * size.inner)
    layer = linear + 2 * size.width * seen + _listening(size, tokens)
    # The last token of the prompt and those of the transcript each ask for one more.
    vocabulary = (SENTENCE_TOKENS + 1) * size.width * size.vocabulary
    return 2.0 * (size.decoder_layers * layer + vocabulary)


def _listening(size: Size, tokens: int) -> int:
    """Multiplications of tokens' attention to what was heard, in the cheaper of two ways.

    Either what was heard is projected to keys and values; or, the same by other brackets, each
    head's queries are projected back and its mean of what was heard projected to values.
    """
    projected = 2 * _POSITIONS * size.width * (size.width + tokens)
    bracketed = 2 * tokens * size.width * (size.width + size.heads * _POSITIONS)
    return min(projected, bracketed)


def whisper_operations(name: str) -> float:
    """Floating-point operations for one recording's features and transcript."""
    return encoder_operations(SIZES[name]) + decoder_operations(SIZES[name])


def higgs_operations(transcriber: str) -> float:
    """The same with the features from Higgs-Audio's tower."""
    return encoder_operations(TOWER) + whisper_operations(transcriber)


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
