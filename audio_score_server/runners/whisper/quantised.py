"""Linear layers with weights of eight bits.

Every row of weights, and while it computes every row of inputs, is scaled to its largest entry and
rounded to an integer; products are summed without rounding (Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018; by rows as in
Dettmers et al., "LLM.int8()", 2022). A row's result does not depend on the rows beside it, so that
a recording is heard alike alone and in a batch.
"""

from __future__ import annotations

from typing import Any, Final

import torch

from audio_score_server.runners.whisper.encoder import Linear

_LARGEST: Final = 127
_LEAST: Final = 1e-6
"""Rows that hold nothing larger are scaled by this."""
_RANGE: Final = (1.0, -1.0)
"""What a row put behind the inputs begins with: the library scales all rows alike, from the least
entry to the largest, and so those are always 1 and -1. (Columns instead of a row would do the same,
but the library keeps weights in blocks of 512 columns: one more would double Whisper base.)"""


_PART: Final = 1024
"""Rows that are compared at once."""


class QuantisedLinear:
    """``y = x W^T + b`` on a processor."""

    def __init__(self, linear: Linear) -> None:
        """Round the weights of a layer."""
        weight = linear.weight.detach().float()
        # No copy on the way: the vocabulary alone is 100 MB.
        largest = torch.linalg.vector_norm(weight, torch.inf, dim=1)
        scales = (largest / _LARGEST).clamp(min=_LEAST).double()
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        ops: Any = torch.ops.quantized
        self._packed = ops.linear_prepack(
            torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8), None
        )
        self._bias = None if linear.bias is None else linear.bias.detach().float()
        self._inputs = weight.shape[1]
        # Without VNNI, products are summed in sixteen bits, which eight and eight would overflow.
        self._reduced = not torch.cpu.get_capabilities().get("avx512_vnni")
        self._range = torch.zeros(self._inputs)
        self._range[: len(_RANGE)] = torch.tensor(_RANGE)
        self._multiply = ops.linear_dynamic

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Apply to the last dimension of a float32 tensor."""
        rows = inputs.reshape(-1, self._inputs)
        largest = rows.abs().amax(dim=1, keepdim=True).clamp_(min=_LEAST)
        scaled = rows.new_empty(len(rows) + 1, self._inputs)
        torch.div(rows, largest, out=scaled[:-1])
        scaled[-1] = self._range
        products: torch.Tensor = self._multiply(scaled, self._packed, self._reduced)[:-1]
        products.mul_(largest)
        if self._bias is not None:
            products.add_(self._bias)
        return products.view(*inputs.shape[:-1], -1)


def halved(weights: torch.Tensor) -> torch.Tensor:
    """Weights in half the memory where nothing is lost: Whisper's own were trained in float16."""
    halved = weights.half()
    parts = zip(torch.split(halved, _PART), torch.split(weights, _PART), strict=True)
    return halved if all(torch.equal(half.float(), part) for half, part in parts) else weights
