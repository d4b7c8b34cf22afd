from __future__ import annotations

import pytest
import torch

from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.precision import Precision, choose_precision

_CPU, _CUDA = torch.device("cpu"), torch.device("cuda")


def test_precisions_are_chosen_by_name() -> None:
    assert choose_precision("float32", _CPU) == Precision(torch.float32)
    assert choose_precision("float16", _CPU) == Precision(torch.float16)
    assert choose_precision("bfloat16", _CUDA) == Precision(torch.bfloat16)
    assert choose_precision("auto", _CUDA) == Precision(torch.float16)


@pytest.mark.parametrize(
    ("capabilities", "engines", "told"),
    [
        ({}, ["fbgemm"], "float32"),
        ({"avx2": True}, ["qnnpack"], "float32"),
        ({"avx2": True}, ["fbgemm"], "int8"),
        ({"avx2": True, "amx_bf16": False}, ["fbgemm"], "int8"),
        ({"avx2": True, "amx_bf16": True}, ["fbgemm"], "bfloat16, decoder int8"),
        ({"avx2": True, "avx512_bf16": True}, ["fbgemm"], "bfloat16, decoder int8"),
        ({"bf16": True}, ["qnnpack"], "bfloat16"),
    ],
)
def test_a_processor_takes_what_is_fast_on_it_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], engines: list[str], told: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr("audio_score_server.runners.precision._engines", lambda: engines)
    chosen = choose_precision("auto", _CPU)
    assert str(chosen) == told
    assert chosen.reason


def test_eight_bits_are_refused_where_they_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelLoadError, match="not for cuda"):
        choose_precision("int8", _CUDA)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(ModelLoadError, match="leave dtype out"):
        choose_precision("int8", _CPU)


def test_this_processor_can_be_asked() -> None:
    assert choose_precision("auto", _CPU).dtype in (torch.float32, torch.bfloat16)
