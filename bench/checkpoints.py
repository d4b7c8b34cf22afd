"""Untrained checkpoints of the true sizes, whose models all say one sentence.

Loading, shapes and costs are those of trained weights. What an untrained model writes is noise that
no text stands for, so each position of the decoder points at the token that is to come next, more
loudly than anything the layers add: whatever is heard, greedy decoding writes the sentence and
ends.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from transformers import (
    GenerationConfig,
    Qwen2AudioEncoder,
    Qwen2AudioEncoderConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from bench.tokens import SENTENCE, BytePairs, generation_settings, make_tokenizer, sentence_ids

_SEED: Final = 0
_LOUD: Final = 2_500.0
"""Brings embeddings, of 0.02 a number, well above the few units that the layers add."""
_SURE: Final = 4.0
"""Gain on the last layer norm with which the wanted token has nearly all of the probability."""
_SHARD: Final = "model-00001-of-00001.safetensors"


@dataclass(frozen=True, slots=True)
class Size:
    """A Whisper model's shape.

    Attributes:
        bins: mel bins.
        width: of the residual stream.
        heads: of each attention.
        inner: width between the two linear layers of a block.
        encoder_layers: number of the encoder's blocks.
        decoder_layers: number of the decoder's blocks.
        languages: that it has tokens for.
    """

    bins: int
    width: int
    heads: int
    inner: int
    encoder_layers: int
    decoder_layers: int
    languages: int = 99

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return 51_766 + self.languages


SIZES: Final = {
    "tiny": Size(80, 384, 6, 1536, 4, 4),
    "small": Size(80, 768, 12, 3072, 12, 12),
    "large-v3-turbo": Size(128, 1280, 20, 5120, 32, 4, languages=100),
}
"""Whisper models by name."""
TOWER: Final = Size(128, 1280, 20, 5120, 32, 0, languages=0)
"""Higgs-Audio's audio tower, the encoder of Whisper large-v3."""


def whisper_checkpoint(name: str, work: Path, pairs: BytePairs) -> Path:
    """Folder of an untrained Whisper checkpoint with its processor, made where it is missing."""
    size = SIZES[name]
    key = _digest([asdict(size), pairs.vocabulary, pairs.merges, SENTENCE])
    return made_once(
        work / f"whisper-{name}-{key}", lambda folder: _make_whisper(folder, size, pairs)
    )


def higgs_checkpoint(work: Path) -> Path:
    """Folder of an untrained audio tower inside a Higgs-Audio checkpoint, made where missing."""
    return made_once(work / f"higgs-audio-{_digest([asdict(TOWER)])}", _make_higgs)


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, whole or not at all: it gets its name when it is complete."""
    if not folder.exists():
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        make(part)
        part.rename(folder)
    return folder


def _make_whisper(folder: Path, size: Size, pairs: BytePairs) -> None:
    tokenizer = make_tokenizer(pairs, size.languages)
    tokenizer.save_pretrained(folder)
    features = WhisperFeatureExtractor(feature_size=size.bins)  # type: ignore[no-untyped-call]
    features.save_pretrained(folder)
    generation = generation_settings(tokenizer, size.languages)
    torch.manual_seed(_SEED)
    model: Any = WhisperForConditionalGeneration(_whisper_config(size, generation))
    model.generation_config = GenerationConfig(**generation)  # type: ignore[no-untyped-call]
    _say(model, _spoken(tokenizer), generation["eos_token_id"])
    model.save_pretrained(folder)


def _whisper_config(size: Size, generation: dict[str, Any]) -> WhisperConfig:
    names = ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id")
    return WhisperConfig(
        vocab_size=size.vocabulary,
        num_mel_bins=size.bins,
        d_model=size.width,
        encoder_layers=size.encoder_layers,
        decoder_layers=size.decoder_layers,
        encoder_attention_heads=size.heads,
        decoder_attention_heads=size.heads,
        encoder_ffn_dim=size.inner,
        decoder_ffn_dim=size.inner,
        **{name: generation[name] for name in names},
    )


def _spoken(tokenizer: Any) -> list[int]:
    """What follows the start of the transcript: an English transcript without timestamps."""
    prompt = tokenizer.convert_tokens_to_ids(["<|en|>", "<|transcribe|>", "<|notimestamps|>"])
    return [*prompt, *sentence_ids(tokenizer, SENTENCE)]


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
    config = Qwen2AudioEncoderConfig(
        num_mel_bins=TOWER.bins,
        d_model=TOWER.width,
        encoder_layers=TOWER.encoder_layers,
        encoder_attention_heads=TOWER.heads,
        encoder_ffn_dim=TOWER.inner,
    )
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
