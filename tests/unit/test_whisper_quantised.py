"""Linear layers of eight bits against those of 32."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.runners.precision import Precision, choose_precision
from audio_score_server.runners.whisper.encoder import Linear
from audio_score_server.runners.whisper.quantised import QuantisedLinear

pytestmark = pytest.mark.skipif(
    choose_precision("auto", torch.device("cpu")) == Precision(torch.float32),
    reason="this processor has no fast eight bits",
)
_INPUTS, _OUTPUTS = 96, 40


def _linear(bias: bool = True) -> Linear:
    torch.manual_seed(0)
    weight = torch.randn(_OUTPUTS, _INPUTS) * torch.rand(_OUTPUTS, 1)
    return Linear(weight, torch.randn(_OUTPUTS) if bias else None)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_it_is_near_the_layer_that_it_was_made_of(bias: bool, size: float) -> None:
    inputs = size * torch.randn(2, 7, _INPUTS)
    exact, rounded = _linear(bias)(inputs), QuantisedLinear(_linear(bias))(inputs)
    assert rounded.shape == exact.shape
    assert float((rounded - exact).norm() / exact.norm()) < 0.02


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_row_is_what_it_is_alone(rows: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, _INPUTS, generator=generator)
    # Rows of all sizes, and of one sign.
    inputs *= torch.logspace(-4, 4, rows)[:, None]
    inputs[::3] = inputs[::3].abs()
    layer = QuantisedLinear(_linear())
    together = layer(inputs)
    for row in range(rows):
        assert torch.equal(layer(inputs[row]), together[row])


def test_nought_gives_the_bias() -> None:
    linear = _linear()
    assert linear.bias is not None
    assert torch.allclose(QuantisedLinear(linear)(torch.zeros(3, _INPUTS)), linear.bias)


def test_what_is_not_a_number_stays_none() -> None:
    inputs = torch.randn(3, _INPUTS)
    inputs[1, 5] = torch.nan
    outputs = QuantisedLinear(_linear())(inputs)
    assert outputs[1].isnan().all()
