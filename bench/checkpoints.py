"""Untrained checkpoints of sizes whose weights cannot be had here, all of which say one sentence.

Loading, shapes and costs are those of trained weights; tokens are those of the whisper-base that
``scripts/fetch_test_models`` fetches. What an untrained model writes is noise that no text stands
for, so each position of the decoder points at the token that is to come next, more loudly than
anything the layers add: whatever is heard, greedy decoding writes the sentence and ends.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from transformers import (
    AutoTokenizer,
    Qwen2AudioEncoder,
    Qwen2AudioEncoderConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from audio_score_server.runners.whisper.checkpoint import tokenizer_of
from audio_score_server.runners.whisper.vocabulary import Vocabulary
from bench.transformers_model import transformers_model
from training.kokoro import models_folder

SENTENCE: Final = "The boat is on the river and we can see the old house."
"""What every untrained model is made to say."""
_SEED: Final = 0
_LOUD: Final = 2_500.0
"""Brings embeddings, of 0.02 a number, well above the few units that the layers add."""
_SURE: Final = 4.0
"""Gain on the last layer norm with which the wanted token has nearly all of the probability."""
_SHARD: Final = "model-00001-of-00001.safetensors"


def _shape(bins: int, width: int, heads: int, *layers: int) -> dict[str, Any]:
    """For a configuration; layers are the encoder's and, where there is one, the decoder's."""
    shape = {"num_mel_bins": bins, "d_model": width}
    for part, count in zip(("encoder", "decoder"), layers, strict=False):
        shape |= {f"{part}_layers": count, f"{part}_attention_heads": heads}
        shape |= {f"{part}_ffn_dim": 4 * width}
    return shape


SIZES: Final = {
    "tiny": _shape(80, 384, 6, 4, 4),
    "small": _shape(80, 768, 12, 12, 12),
    "large-v3-turbo": _shape(128, 1280, 20, 32, 4),
}
"""Whisper models by name."""
_TOWER: Final = _shape(128, 1280, 20, 32)
"""Higgs-Audio's audio tower, the encoder of Whisper large-v3."""


def whisper_checkpoint(name: str, work: Path) -> Path:
    """Folder of an untrained Whisper checkpoint in a working folder, made where it is missing."""
    return made_once(work / f"whisper-{name}", lambda folder: _make_whisper(folder, SIZES[name]))


def higgs_checkpoint(work: Path) -> Path:
    """Folder of an untrained audio tower inside a Higgs-Audio checkpoint, made where missing."""
    return made_once(work / "higgs-audio", _make_higgs)


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, whole or not at all: it gets its name when it is complete."""
    if not folder.exists():
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        make(part)
        part.rename(folder)
    return folder


def _make_whisper(folder: Path, shape: dict[str, Any]) -> None:
    base = models_folder() / "whisper-base"
    tokenizer: Any = AutoTokenizer.from_pretrained(base, local_files_only=True)
    trained = transformers_model(base, torch.float32)
    torch.manual_seed(_SEED)
    model: Any = WhisperForConditionalGeneration(WhisperConfig(**trained.config.to_dict() | shape))
    model.generation_config = trained.generation_config
    prompt = Vocabulary(tokenizer_of(base), trained.generation_config).prompt("en")
    sentence = tokenizer(" " + SENTENCE, add_special_tokens=False)["input_ids"]
    _say(model, [*prompt[1:], *sentence], trained.generation_config.eos_token_id)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=shape["num_mel_bins"])  # type: ignore[no-untyped-call]
    extractor.save_pretrained(folder)


@torch.no_grad()
def _say(model: Any, spoken: list[int], end: int) -> None:
    """Have the decoder's position ``p`` ask for token ``p`` of what is spoken, then for the end."""
    decoder = model.model.decoder
    tokens, positions = decoder.embed_tokens.weight, decoder.embed_positions.weight
    # The end is also the padding, whose embedding is zero and cannot be pointed at.
    tokens[end].normal_(std=model.config.init_std)
    wanted = spoken + [end] * (len(positions) - len(spoken))
    positions.copy_(_LOUD * tokens[wanted])
    decoder.layer_norm.weight.fill_(_SURE)


def _make_higgs(folder: Path) -> None:
    config = Qwen2AudioEncoderConfig(**_TOWER)
    torch.manual_seed(_SEED)
    tower: Any = Qwen2AudioEncoder(config)
    tensors = {f"audio_tower.{name}": tensor for name, tensor in tower.state_dict().items()}
    save_file(tensors, folder / _SHARD, metadata={"format": "pt"})
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict.fromkeys(tensors, _SHARD)}
    encoder = config.to_dict() | {"model_type": "higgs_audio_encoder"}
    settings = {"model_type": "higgs_audio", "audio_encoder_config": encoder}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
