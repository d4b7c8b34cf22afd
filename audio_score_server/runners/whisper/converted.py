"""A Whisper checkpoint in the format of CTranslate2 (faster-whisper), as transformers has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from transformers import GenerationConfig, WhisperConfig

from audio_score_server.checkpoints.required import CONFIG, CONVERTED
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.whisper.model_bin import ModelBin

_SPECIFICATION: Final = "WhisperSpec"
_START: Final = "<|startoftranscript|>"
_STOP: Final = "<|endoftext|>"
_TASKS: Final = ("transcribe", "translate")
_LANGUAGE: Final = re.compile(r"<\|[a-z]{2,3}\|>")
_ENGLISH_STOP: Final = 50_256
"""Where models of English alone, which have GPT-2's vocabulary, have the token that ends a text.

Their files list languages nevertheless.
"""


@dataclass(frozen=True, slots=True)
class Converted:
    """What transformers makes a model of.

    Attributes:
        config: its sizes.
        weights: by transformers' names; quantised ones as the float32 that they stand for.
        generation: its special tokens, and those that it never says.
    """

    config: Any
    weights: dict[str, torch.Tensor]
    generation: Any


@dataclass(frozen=True, slots=True)
class _TensorSource:
    """An array, and the tensors that it is cut into along its first dimension; None for no use."""

    name: str
    shape: tuple[int, ...]
    tensors: tuple[str | None, ...]


def read_converted(folder: Path, tokenizer: Any) -> Converted:
    """Read ``model.bin`` and ``config.json`` of a folder.

    Args:
        folder: where they are.
        tokenizer: a fast tokenizer of transformers, which has the special tokens.

    Raises:
        ModelLoadError: the files are damaged, of another kind of model, or do not fit together.
        OSError: they cannot be read.
    """
    model = ModelBin(folder / CONVERTED)
    if model.specification != _SPECIFICATION:
        raise ModelLoadError(
            f"{folder / CONVERTED} is no Whisper model but {model.specification[:40]!r}; name "
            "another checkpoint"
        )
    config = _config(model)
    generation = _generation(folder / CONFIG, tokenizer.backend_tokenizer, config.vocab_size)
    return Converted(config, _weights(model, config), generation)


def _config(model: ModelBin) -> Any:
    width, bands, _ = model.shape("encoder/conv1/weight", 3)
    sizes = {
        "d_model": width,
        "num_mel_bins": bands,
        "max_source_positions": model.shape("encoder/position_encodings/encodings", 2)[0],
        "max_target_positions": model.shape("decoder/position_encodings/encodings", 2)[0],
        "vocab_size": model.shape("decoder/embeddings/weight", 2)[0],
    }
    for side in ("encoder", "decoder"):
        heads = model.number(f"{side}/num_heads")
        if heads < 1 or width % heads:
            raise ModelLoadError(
                f"{CONVERTED} is damaged: {width} dimensions cannot be shared among {heads} heads; "
                "get the checkpoint anew"
            )
        sizes[f"{side}_attention_heads"] = heads
        sizes[f"{side}_layers"] = _layers(model, side)
        sizes[f"{side}_ffn_dim"] = model.shape(f"{side}/layer_0/ffn/linear_0/weight", 2)[0]
    # The true tokens are in the generation's settings; the defaults may lie beyond the vocabulary.
    config: Any = WhisperConfig
    return config(**sizes, pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0)


def _layers(model: ModelBin, side: str) -> int:
    count = 0
    while f"{side}/layer_{count}/ffn/linear_0/weight" in model:
        count += 1
    return count


def _weights(model: ModelBin, config: Any) -> dict[str, torch.Tensor]:
    parts = list(_tensor_sources(config))
    # All shapes before any content: a lying file costs neither time nor memory.
    for part in parts:
        if model.shape(part.name, len(part.shape)) != part.shape:
            raise ModelLoadError(
                f"{CONVERTED} is damaged: {part.name} does not have the shape {list(part.shape)}; "
                "get the checkpoint anew, or name another"
            )
    weights: dict[str, torch.Tensor] = {}
    for part in parts:
        pieces = model.weights(part.name).chunk(len(part.tensors))
        weights |= {name: piece for name, piece in zip(part.tensors, pieces, strict=True) if name}
    return weights


def _tensor_sources(config: Any) -> Iterator[_TensorSource]:
    width = config.d_model
    for conv, inputs in (("conv1", config.num_mel_bins), ("conv2", width)):
        name, tensor = f"encoder/{conv}", f"model.encoder.{conv}"
        yield _TensorSource(f"{name}/weight", (width, inputs, 3), (f"{tensor}.weight",))
        yield _TensorSource(f"{name}/bias", (width,), (f"{tensor}.bias",))
    words = (config.vocab_size, width)
    yield _TensorSource("decoder/embeddings/weight", words, ("model.decoder.embed_tokens.weight",))
    for side, positions in (
        ("encoder", config.max_source_positions),
        ("decoder", config.max_target_positions),
    ):
        tensors = (f"model.{side}.embed_positions.weight",)
        yield _TensorSource(f"{side}/position_encodings/encodings", (positions, width), tensors)
        yield from _norm(f"{side}/layer_norm", f"model.{side}.layer_norm", width)
        inner = getattr(config, f"{side}_ffn_dim")
        for layer in range(getattr(config, f"{side}_layers")):
            place = (f"{side}/layer_{layer}", f"model.{side}.layers.{layer}")
            yield from _layer(*place, width, inner)
            if side == "decoder":
                yield from _listening(*place, width)


def _layer(name: str, tensor: str, width: int, inner: int) -> Iterator[_TensorSource]:
    attention, tensors = f"{name}/self_attention", f"{tensor}.self_attn"
    yield from _norm(f"{attention}/layer_norm", f"{tensor}.self_attn_layer_norm", width)
    three = [f"{tensors}.{each}_proj" for each in "qkv"]
    yield from _linear(f"{attention}/linear_0", three, width, width)
    yield from _linear(f"{attention}/linear_1", [f"{tensors}.out_proj"], width, width)
    yield from _norm(f"{name}/ffn/layer_norm", f"{tensor}.final_layer_norm", width)
    yield from _linear(f"{name}/ffn/linear_0", [f"{tensor}.fc1"], inner, width)
    yield from _linear(f"{name}/ffn/linear_1", [f"{tensor}.fc2"], width, inner)


def _listening(name: str, tensor: str, width: int) -> Iterator[_TensorSource]:
    """A decoder layer's attention to what the encoder heard."""
    attention, tensors = f"{name}/attention", f"{tensor}.encoder_attn"
    yield from _norm(f"{attention}/layer_norm", f"{tensor}.encoder_attn_layer_norm", width)
    yield from _linear(f"{attention}/linear_0", [f"{tensors}.q_proj"], width, width)
    two = [f"{tensors}.{each}_proj" for each in "kv"]
    yield from _linear(f"{attention}/linear_1", two, width, width)
    yield from _linear(f"{attention}/linear_2", [f"{tensors}.out_proj"], width, width)


def _norm(name: str, tensor: str, width: int) -> Iterator[_TensorSource]:
    yield _TensorSource(f"{name}/gamma", (width,), (f"{tensor}.weight",))
    yield _TensorSource(f"{name}/beta", (width,), (f"{tensor}.bias",))


def _linear(name: str, tensors: list[str], outputs: int, inputs: int) -> Iterator[_TensorSource]:
    """One or several linear layers that are kept as one."""
    rows = outputs * len(tensors)
    yield _TensorSource(
        f"{name}/weight", (rows, inputs), tuple(f"{each}.weight" for each in tensors)
    )
    # Whisper's keys have no bias. Were this one not zero, it would change nothing: it adds the
    # same to a query's products with all keys.
    biases = (None if each.endswith("k_proj") else f"{each}.bias" for each in tensors)
    yield _TensorSource(f"{name}/bias", (rows,), tuple(biases))


def _generation(path: Path, tokenizer: Any, vocabulary_size: int) -> Any:
    facts = _facts(path)
    known = _Tokens(tokenizer, vocabulary_size)
    stop = known.token(_STOP)
    settings: dict[str, Any] = {
        "decoder_start_token_id": known.token(_START),
        "eos_token_id": stop,
        "no_timestamps_token_id": known.token("<|notimestamps|>"),
        "suppress_tokens": known.listed(facts, "suppress_ids"),
        "begin_suppress_tokens": known.listed(facts, "suppress_ids_begin"),
        "alignment_heads": facts.get("alignment_heads"),
    }
    languages = known.languages(facts) if stop != _ENGLISH_STOP else {}
    settings["is_multilingual"] = bool(languages)
    if languages:
        settings["lang_to_id"] = languages
        settings["task_to_id"] = {task: known.token(f"<|{task}|>") for task in _TASKS}
    generation: Any = GenerationConfig
    return generation(**settings)


def _facts(path: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or not {"suppress_ids", "suppress_ids_begin"} <= facts.keys():
        raise ModelLoadError(
            f"{path} does not say which tokens CTranslate2 suppresses; convert the checkpoint anew"
        )
    return facts


class _Tokens:
    """Tokens by name and number, where the model has them."""

    def __init__(self, tokenizer: Any, count: int) -> None:
        self._tokenizer = tokenizer
        self._count = count

    def token(self, name: str) -> int:
        found = self._tokenizer.token_to_id(name)
        if found is None or found >= self._count:
            raise ModelLoadError(
                f"the tokenizer has no {name} that the model knows; name another processor_id"
            )
        return int(found)

    def listed(self, facts: Mapping[str, Any], key: str) -> list[int]:
        """The tokens of a list in ``config.json``, null being an empty one."""
        tokens = facts.get(key)
        tokens = [] if tokens is None else tokens
        if not isinstance(tokens, list) or not all(
            type(token) is int and 0 <= token < self._count for token in tokens
        ):
            raise ModelLoadError(
                f"{key} of {CONFIG} lists what is no token of the model; get the checkpoint anew"
            )
        return tokens

    def languages(self, facts: Mapping[str, Any]) -> dict[str, int]:
        """Token to number of each language; older files do not list them."""
        listed = self.listed(facts, "lang_ids")
        if not listed:
            special = self._tokenizer.get_vocab(with_added_tokens=True)
            return {name: self.token(name) for name in special if _LANGUAGE.fullmatch(name)}
        names = {token: self._tokenizer.id_to_token(token) for token in listed}
        return {str(name): token for token, name in names.items() if name is not None}
