"""The audio tower of a Higgs-Audio checkpoint, read without the language model around it.

The tower is Whisper-large-v3's encoder with an average over pairs of positions before the last
norm: what transformers calls ``Qwen2AudioEncoder``. Of the checkpoint's 5.8 billion parameters it
has 0.64.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from torch.nn import functional
from transformers import Qwen2AudioEncoderConfig
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from audio_score_server.domain import ModelInfo
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.device import place
from audio_score_server.runners.precision import Precision
from audio_score_server.runners.whisper.checkpoint import digest, packing
from audio_score_server.runners.whisper.encoder import AudioEncoder

_PREFIX: Final = "audio_tower."
_CONFIG: Final = "audio_encoder_config"
_POOLED: Final = 2


@dataclass(frozen=True, slots=True)
class Tower:
    """A loaded tower.

    Attributes:
        encoder: all but the pooling and the last norm.
        bands: mel bands that it takes.
        precision: of weights and passes.
        info: where it is.
        fingerprint: changes with its weights and the precision.
    """

    encoder: AudioEncoder
    bands: int
    precision: Precision
    info: ModelInfo
    fingerprint: str

    def encode(self, mel: torch.Tensor) -> torch.Tensor:
        """Spectrograms ``[batch, bands, frames]`` to features ``[batch, frames / 4, width]``."""
        hidden, _ = self.encoder(mel, self.encoder.depth)
        pooled = functional.avg_pool1d(hidden.transpose(1, 2), _POOLED, _POOLED).transpose(1, 2)
        return self.encoder.norm(pooled)


def load_tower(folder: Path, device: torch.device, precision: Precision) -> Tower:
    """Load the tower of the checkpoint in a folder; no other tensor is read.

    Raises:
        ModelLoadError: there is none, or it is not what the configuration says.
    """
    config = Qwen2AudioEncoderConfig(**_config(folder))
    with torch.device("meta"):
        module = Qwen2AudioEncoder(config)
    tensors = _tensors(folder, precision.dtype)
    try:
        module.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        cause = " ".join(str(error).split())
        raise ModelLoadError(f"the audio tower is not what {_CONFIG} says: {cause}") from error
    fingerprint = f"{digest(tensors)}:{precision}"
    torch.nn.Module.to(module, device)
    module.train(False)
    weights = module.state_dict().values()
    kept = ((), weights) if precision.int8_encoder else (weights, ())
    with torch.inference_mode():
        return Tower(
            AudioEncoder(module, packing(precision.int8_encoder)),
            config.num_mel_bins,
            precision,
            replace(place(device, *kept), dtype=str(precision)),
            fingerprint,
        )


def _config(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text())
    if config.get("skip_audio_tower") or _CONFIG not in config:
        raise ModelLoadError(
            "the checkpoint has no audio tower (skip_audio_tower, or no audio_encoder_config in "
            "its config.json); name one that was saved with it"
        )
    found: dict[str, Any] = config[_CONFIG]
    return found


def _tensors(folder: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The tower's tensors by their names within it."""
    found = {}
    for shard in _shards(folder):
        with safe_open(folder / shard, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping, in spite of its keys
                if name.startswith(_PREFIX):
                    found[name.removeprefix(_PREFIX)] = file.get_tensor(name).to(dtype)
    if not found:
        raise ModelLoadError(f"the checkpoint has no audio tower: no tensor {_PREFIX}*")
    return found


def _shards(folder: Path) -> list[str]:
    """The files that hold parts of the tower."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return ["model.safetensors"]
    places: dict[str, str] = json.loads(index.read_text())["weight_map"]
    return sorted({shard for name, shard in places.items() if name.startswith(_PREFIX)})
