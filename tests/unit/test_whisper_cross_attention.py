"""What the decoder hears: rounded keys and values against exact ones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.runners.whisper.cross_attention import (
    ExactCrossAttention,
    RoundedCrossAttention,
    choose_cross_attention,
)
from audio_score_server.runners.whisper.encoder import Linear

_CLOSE = 0.02
"""Of the largest entry."""


def _both(
    windows: int, positions: int, heads: int, width: int
) -> tuple[ExactCrossAttention, RoundedCrossAttention]:
    generator = torch.Generator().manual_seed(positions)
    whole = heads * width
    # Some channels are far larger than others, as in trained checkpoints.
    sizes = torch.logspace(-1, 1, whole)[:, None]
    to_keys = Linear(sizes * torch.randn(whole, whole, generator=generator), None)
    to_values = Linear(
        torch.randn(whole, whole, generator=generator), torch.randn(whole, generator=generator)
    )
    audio = torch.randn(windows, positions, whole, generator=generator)
    parts = (to_keys, to_values, audio, heads)
    return ExactCrossAttention(*parts), RoundedCrossAttention(*parts)


def _agree(rounded: torch.Tensor, exact: torch.Tensor) -> bool:
    return bool((rounded - exact).abs().max() <= _CLOSE * exact.abs().max())


@given(
    st.integers(1, 3),
    st.integers(1, 200),
    st.integers(1, 3),
    st.sampled_from([3, 16, 64]),
    st.integers(1, 6),
)
def test_rounding_hardly_changes_scores_and_means(
    windows: int, positions: int, heads: int, width: int, tokens: int
) -> None:
    exact, rounded = _both(windows, positions, heads, width)
    queries = torch.randn(
        windows, heads, tokens, width, generator=torch.Generator().manual_seed(tokens)
    )
    scores, near = exact.scores(queries), rounded.scores(queries)
    assert near.shape[3] % 64 == 0
    assert bool(near[..., positions:].isneginf().all())
    assert _agree(near[..., :positions], scores)
    weights = (scores / scores.abs().max()).softmax(dim=3)
    padded = torch.nn.functional.pad(weights, (0, near.shape[3] - positions))
    assert _agree(rounded.mean(padded), exact.mean(weights))


@pytest.mark.parametrize("kind", [ExactCrossAttention, RoundedCrossAttention])
def test_a_window_is_heard_alike_whatever_is_beside_it(
    kind: type[ExactCrossAttention | RoundedCrossAttention],
) -> None:
    both = _both(4, 100, 2, 64)
    several = both[0] if kind is ExactCrossAttention else both[1]
    queries = torch.randn(4, 2, 5, 64, generator=torch.Generator().manual_seed(1))
    scores = several.scores(queries)
    means = several.mean(scores.softmax(dim=3))
    several.keep(torch.tensor([3, 1]))
    torch.testing.assert_close(several.scores(queries[[3, 1]]), scores[[3, 1]])
    kept = several.mean(scores[[3, 1]].softmax(dim=3))
    torch.testing.assert_close(kept, means[[3, 1]])


def test_only_what_a_block_holds_is_rounded() -> None:
    assert choose_cross_attention(64, int8=True) is RoundedCrossAttention
    assert choose_cross_attention(65, int8=True) is ExactCrossAttention
    assert choose_cross_attention(64, int8=False) is ExactCrossAttention
    with pytest.raises(ValueError, match="65 channels"):
        _both(1, 10, 1, 65)
