"""Whisper and Higgs-Audio checkpoints without training: true architecture, tiny, on disk."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2AudioEncoderConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from audio_score_server.domain import FloatArray

WINDOW_S: Final = 3
LANGUAGES: Final = ("en", "de", "zh")
RATE: Final = 16_000
TOWER: Final = "audio_tower."
_STOPPING: Final = 2.0
"""How much larger the scores of the token are that ends a transcript."""
_CLARITY: Final = 4.0
"""How far scores are apart."""
_SAVED_BESIDES: Final = {
    "model_type": "higgs_audio_encoder",
    "_attn_implementation_autoset": True,
    "_name_or_path": "",
    "add_cross_attention": False,
    "architectures": None,
    "bad_words_ids": None,
    "dropout": 0.0,
    "num_hidden_layers": 3,
    "num_return_sequences": 1,
    "output_scores": False,
    "pad_token_id": 128001,
    "problem_type": None,
    "return_dict": True,
    "tf_legacy_loss": False,
    "tie_encoder_decoder": False,
    "top_k": 50,
    "torch_dtype": "bfloat16",
    "use_bfloat16": False,
}
"""Some of what older transformers put into the configuration of a part."""

# In operations as small as these models' threads wait for each other most of the time.
torch.set_num_threads(1)


def make_whisper(
    folder: Path,
    *,
    seed: int = 0,
    languages: Sequence[str] = LANGUAGES,
    bands: int = 80,
    width: int = 48,
    window_s: int = WINDOW_S,
    letters: bool = False,
) -> Path:
    """Save an untrained Whisper of windows of ``window_s`` whose transcripts are lively.

    Weights are drawn wide, so that what is said depends on the sound and on what was said before,
    and the choices are clear; the token that ends a transcript is likelier than others. With no
    languages it is a checkpoint for English alone; with ``letters`` it says single letters with
    spaces between them, which turn into the same tokens again.
    """
    tokenizer, special = _tokenizer(languages)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = WhisperForConditionalGeneration(
            WhisperConfig(
                vocab_size=len(tokenizer),
                num_mel_bins=bands,
                d_model=width,
                encoder_layers=3,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=2 * width,
                decoder_ffn_dim=2 * width,
                max_source_positions=50 * window_s,
                max_target_positions=96,
                pad_token_id=special["<|endoftext|>"],
                bos_token_id=special["<|endoftext|>"],
                eos_token_id=special["<|endoftext|>"],
                decoder_start_token_id=special["<|startoftranscript|>"],
            )
        )
        _enliven(model)
    decoder = model.model.decoder
    with torch.no_grad():
        decoder.embed_tokens.weight[special["<|endoftext|>"]] *= _STOPPING
        decoder.layer_norm.weight *= _CLARITY
    model.generation_config = _generation(special, languages)
    if letters:
        said = {*_letters(tokenizer), special["<|endoftext|>"]}
        model.generation_config.suppress_tokens = sorted({*range(len(tokenizer))} - said)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    extractor: Any = WhisperFeatureExtractor
    extractor(feature_size=bands, chunk_length=window_s).save_pretrained(folder)
    return folder


def make_higgs_audio(
    folder: Path, *, seed: int = 0, bands: int = 128, width: int = 48, window_s: int = WINDOW_S
) -> Path:
    """Save an untrained audio tower within a Higgs-Audio checkpoint, as boson-ai saves it.

    Three shards: the first two hold parts of the tower among tensors of the language model, the
    third holds tensors of the language model alone.
    """
    config = Qwen2AudioEncoderConfig(
        num_mel_bins=bands,
        d_model=width,
        encoder_layers=3,
        encoder_attention_heads=4,
        encoder_ffn_dim=2 * width,
        max_source_positions=50 * window_s,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tower = Qwen2AudioEncoder(config)
        _enliven(tower)
    parts = [(f"{TOWER}{name}", tensor.detach()) for name, tensor in tower.state_dict().items()]
    half = len(parts) // 2
    shards = [
        {"embed_tokens.weight": torch.ones(8, width), **dict(parts[:half])},
        {**dict(parts[half:]), "layers.0.mlp.up_proj.weight": torch.ones(8, width)},
        {"layers.1.mlp.up_proj.weight": torch.ones(8, width), "norm.weight": torch.ones(width)},
    ]
    folder.mkdir(parents=True, exist_ok=True)
    places: dict[str, str] = {}
    for number, tensors in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(tensors, folder / name, {"format": "pt"})
        places |= dict.fromkeys(tensors, name)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    encoder = config.to_dict() | _SAVED_BESIDES
    settings = {"model_type": "higgs_audio", "skip_audio_tower": False}
    (folder / "config.json").write_text(json.dumps({**settings, "audio_encoder_config": encoder}))
    return folder


def babble(seed: int, seconds: float) -> FloatArray:
    """Chords that change a few times a second, with pauses: no two make a model say the same."""
    chance = np.random.default_rng(seed)
    samples = 0.02 * chance.standard_normal(round(seconds * RATE))
    start = 0
    while start < len(samples):
        piece = samples[start : start + chance.integers(RATE // 20, RATE // 3)]
        phases = 2 * np.pi * np.outer(chance.uniform(80, 4_000, 3), np.arange(len(piece)) / RATE)
        loud = chance.uniform(0, 0.3, 3) * (chance.random() > 0.2)
        piece += loud @ np.sin(phases)
        start += len(piece)
    return samples.astype(np.float32)


def _enliven(model: torch.nn.Module) -> None:
    """Draw weights anew: what comes in must matter more than it does at the start of training."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn_like(weight) * 0.1)
            elif "embed_tokens" in name:
                # Small beside the layers, or each token would ask for itself.
                weight.copy_(torch.randn_like(weight) * 0.3)
            elif "decoder.embed_positions" in name:
                weight.copy_(torch.randn_like(weight))
            elif "embed_positions" not in name:
                wide = 2.5 if "decoder" in name else 2.0
                weight.copy_(torch.randn_like(weight) * (wide / weight[0].numel() ** 0.5))


def _letters(tokenizer: Any) -> list[int]:
    """The tokens of single letters with the space before them."""
    pieces = [f"Ġ{letter}" for letter in string.ascii_lowercase]
    found: list[int] = tokenizer.convert_tokens_to_ids(pieces)
    return found


def _tokenizer(languages: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """Bytes, a few merges, and Whisper's special tokens in Whisper's order."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", letter) for letter in string.ascii_lowercase] + [("t", "h"), ("i", "n")]
    vocabulary = {piece: place for place, piece in enumerate([*letters, *map("".join, merges)])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in languages)]
    special += ["<|translate|>", "<|transcribe|>", "<|startofprev|>", "<|notimestamps|>"]
    core.add_special_tokens(special)
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=core, eos_token="<|endoftext|>", bos_token="<|endoftext|>")
    return tokenizer, {token: core.token_to_id(token) for token in special}


def _generation(special: dict[str, Any], languages: Sequence[str]) -> Any:
    settings: dict[str, Any] = {
        "decoder_start_token_id": special["<|startoftranscript|>"],
        "eos_token_id": special["<|endoftext|>"],
        "pad_token_id": special["<|endoftext|>"],
        "bos_token_id": special["<|endoftext|>"],
        "no_timestamps_token_id": special["<|notimestamps|>"],
        "suppress_tokens": [3, 7, special["<|startoftranscript|>"], special["<|startofprev|>"]],
        "begin_suppress_tokens": [5, special["<|endoftext|>"]],
        "max_length": 96,
        "is_multilingual": bool(languages),
    }
    if languages:
        settings["lang_to_id"] = {f"<|{code}|>": special[f"<|{code}|>"] for code in languages}
        settings["task_to_id"] = {
            task: special[f"<|{task}|>"] for task in ("transcribe", "translate")
        }
    generation: Any = GenerationConfig
    return generation(**settings)
