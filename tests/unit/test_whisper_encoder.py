from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import WhisperForConditionalGeneration

from audio_score_server.runners.whisper.encoder import AudioEncoder, _attend_by_head
from tests.checkpoints import make_whisper

BANDS, FRAMES = 80, 300


def _module(folder: Path, dtype: torch.dtype) -> Any:
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder, dtype=dtype)
    return model.model.encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint."""
    return make_whisper(tmp_path_factory.mktemp("whisper"))


def _mel(batch: int, frames: int = FRAMES) -> torch.Tensor:
    return torch.randn(batch, BANDS, frames, generator=torch.Generator().manual_seed(0))


def _cosine(left: torch.Tensor, right: torch.Tensor) -> float:
    own, other = ((each - each.mean(dim=(0, 1))).flatten().float() for each in (left, right))
    return float(functional.cosine_similarity(own, other, dim=0))


@pytest.mark.parametrize("layer", [1, 2, 3])
@torch.inference_mode()
def test_every_layer_is_that_of_transformers(folder: Path, layer: int) -> None:
    module = _module(folder, torch.float32)
    mel = _mel(3)
    last, tapped = (own := AudioEncoder(module))(mel, layer)
    theirs = module(mel, output_hidden_states=True)
    torch.testing.assert_close(own.norm(last), theirs.last_hidden_state, atol=1e-5, rtol=1e-5)
    if layer < own.depth:
        nearly = 1e-5 * float(theirs.hidden_states[layer].std())
        torch.testing.assert_close(tapped, theirs.hidden_states[layer], atol=nearly, rtol=1e-5)
    else:
        assert tapped is last
    assert (own.depth, own.longest) == (3, FRAMES // 2)


@torch.inference_mode()
def test_what_is_heard_does_not_depend_on_the_batch(folder: Path) -> None:
    encoder = AudioEncoder(_module(folder, torch.float32))
    mel = _mel(5)
    together, _ = encoder(mel, 1)
    for row, heard in zip(mel, together, strict=True):
        alone, _ = encoder(row[None], 1)
        torch.testing.assert_close(encoder.norm(alone[0]), encoder.norm(heard), atol=1e-4, rtol=0)


@pytest.mark.parametrize("frames", [2, 100, 298])
@torch.inference_mode()
def test_windows_may_be_shorter_than_in_training(folder: Path, frames: int) -> None:
    last, tapped = AudioEncoder(_module(folder, torch.float32))(_mel(2, frames), 1)
    assert last.shape == tapped.shape == (2, frames // 2, 48)


@pytest.mark.parametrize("positions", [1, 7, 150])
@torch.inference_mode()
def test_attention_head_by_head_is_attention(positions: int) -> None:
    queries, keys, values = torch.randn(
        3, 2, 4, positions, 12, generator=torch.Generator().manual_seed(0)
    ).unbind()
    torch.testing.assert_close(
        _attend_by_head(queries, keys, values),
        functional.scaled_dot_product_attention(queries, keys, values, scale=1.0),
        atol=1e-5,
        rtol=1e-5,
    )


@torch.inference_mode()
def test_bfloat16_hears_nearly_the_same(folder: Path) -> None:
    mel = _mel(3)
    fine, coarse = (
        AudioEncoder(_module(folder, dtype)) for dtype in (torch.float32, torch.bfloat16)
    )
    expected = fine.norm(fine(mel, 1)[0])
    heard = coarse.norm(coarse(mel.to(torch.bfloat16), 1)[0])
    assert heard.dtype == torch.bfloat16
    assert _cosine(heard, expected) > 0.99


@torch.inference_mode()
def test_float16_does_not_overflow(folder: Path) -> None:
    module = _module(folder, torch.float16)
    for layer in module.layers:
        layer.fc2.weight *= 20_000
    last, _ = AudioEncoder(module)(_mel(1).to(torch.float16), 1)
    assert last.abs().max() > 64_000
    assert last.isfinite().all()
