"""In which numbers a model computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import torch

from audio_score_server.errors import ModelLoadError

_DTYPES: Final = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_BFLOAT16: Final = ("amx_bf16", "avx512_bf16", "bf16")
"""Capabilities of processors that multiply matrices of bfloat16 in hardware."""


@dataclass(frozen=True, slots=True)
class Precision:
    """In which numbers a model computes.

    Attributes:
        dtype: of weights and passes, but for what is in eight bits.
        int8_encoder: whether the encoder's linear layers are.
        int8_decoder: whether the decoder's are, with passes in float32.
        reason: why these were chosen, for people; empty where they were asked for.
    """

    dtype: torch.dtype
    int8_encoder: bool = False
    int8_decoder: bool = False
    reason: str = field(default="", compare=False)

    def __str__(self) -> str:
        """``float32``, ``int8``, ``bfloat16, decoder int8``."""
        if self.int8_encoder and self.int8_decoder:
            return "int8"
        name = str(self.dtype).removeprefix("torch.")
        return f"{name}, decoder int8" if self.int8_decoder else name


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision of a setting; ``auto`` asks the hardware.

    Whisper was trained in float16, which keeps more digits than bfloat16, and GPUs multiply both
    alike. Processors are slower by far with either of them, but for those that multiply bfloat16 in
    hardware; all of them read eight bits in a quarter of the time of 32, and a decoder, which reads
    all of its weights for every token, does little else.

    Raises:
        ModelLoadError: the device has no such numbers.
    """
    if name in _DTYPES:
        return Precision(_DTYPES[name])
    if name == "int8":
        if device.type != "cpu" or not _has_int8():
            raise ModelLoadError(
                f"dtype int8 is for x86 processors with AVX2, not for {device}; leave dtype out"
            )
        return Precision(torch.float32, int8_encoder=True, int8_decoder=True)
    if device.type == "cuda":
        return Precision(torch.float16, reason="Whisper was trained in it")
    if _has_bfloat16():
        reason = "this processor multiplies bfloat16 in hardware"
        return Precision(torch.bfloat16, int8_decoder=_has_int8(), reason=reason)
    if _has_int8():
        reason = "this processor multiplies nothing faster"
        return Precision(torch.float32, int8_encoder=True, int8_decoder=True, reason=reason)
    return Precision(torch.float32, reason="this processor multiplies nothing faster")


def _has_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in _BFLOAT16)


def _has_int8() -> bool:
    """Whether FBGEMM, which multiplies the integers, knows this processor."""
    return "fbgemm" in _engines() and bool(torch.cpu.get_capabilities().get("avx2"))


def _engines() -> list[str]:
    engines: list[str] = torch.backends.quantized.supported_engines
    return engines
