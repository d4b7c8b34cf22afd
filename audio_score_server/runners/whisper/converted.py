"""A Whisper checkpoint in the format of CTranslate2 (faster-whisper), as transformers has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import torch

from audio_score_server.checkpoints.required import CONFIG, CONVERTED
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.whisper.model_bin import ModelBin
from audio_score_server.runners.whisper.modules import SideSizes, WhisperSizes
from audio_score_server.runners.whisper.saved import CheckpointContent

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
class _TensorSource:
    """An array, and the tensors that it is cut into along its first dimension; None for no use."""

    name: str
    shape: tuple[int, ...]
    tensors: tuple[str | None, ...]


def read_converted(folder: Path, tokenizer: Any) -> CheckpointContent:
    """Read ``model.bin`` and ``config.json`` of a folder.

    Args:
        folder: where they are.
        tokenizer: which has the special tokens.

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
    sizes = _sizes(model)
    generation = _generation(folder / CONFIG, tokenizer, sizes.words)
    return CheckpointContent(sizes, _weights(model, sizes), generation)


def _sizes(model: ModelBin) -> WhisperSizes:
    width, bands, _ = model.shape("encoder/conv1/weight", 3)
    words, _ = model.shape("decoder/embeddings/weight", 2)
    encoder, decoder = (_side(model, side, width) for side in ("encoder", "decoder"))
    return WhisperSizes(width, bands, words, encoder, decoder)


def _side(model: ModelBin, side: str, width: int) -> SideSizes:
    positions, _ = model.shape(f"{side}/position_encodings/encodings", 2)
    heads = model.number(f"{side}/num_heads")
    if heads < 1 or width % heads:
        raise ModelLoadError(
            f"{CONVERTED} is damaged: {width} dimensions cannot be shared among {heads} heads; "
            "get the checkpoint anew"
        )
    inner, _ = model.shape(f"{side}/layer_0/ffn/linear_0/weight", 2)
    return SideSizes(_layers(model, side), heads, inner, positions)


def _layers(model: ModelBin, side: str) -> int:
    count = 0
    while f"{side}/layer_{count}/ffn/linear_0/weight" in model:
        count += 1
    return count


def _weights(model: ModelBin, sizes: WhisperSizes) -> dict[str, torch.Tensor]:
    parts = list(_tensor_sources(sizes))
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


def _tensor_sources(sizes: WhisperSizes) -> Iterator[_TensorSource]:
    width = sizes.width
    for conv, inputs in (("conv1", sizes.bands), ("conv2", width)):
        name, tensor = f"encoder/{conv}", f"model.encoder.{conv}"
        yield _TensorSource(f"{name}/weight", (width, inputs, 3), (f"{tensor}.weight",))
        yield _TensorSource(f"{name}/bias", (width,), (f"{tensor}.bias",))
    words = (sizes.words, width)
    yield _TensorSource("decoder/embeddings/weight", words, ("model.decoder.embed_tokens.weight",))
    for side, own in (("encoder", sizes.encoder), ("decoder", sizes.decoder)):
        tensors = (f"model.{side}.embed_positions.weight",)
        encodings = (own.positions, width)
        yield _TensorSource(f"{side}/position_encodings/encodings", encodings, tensors)
        yield from _norm(f"{side}/layer_norm", f"model.{side}.layer_norm", width)
        for layer in range(own.layers):
            place = (f"{side}/layer_{layer}", f"model.{side}.layers.{layer}")
            yield from _layer(*place, width, own.inner)
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


def _generation(path: Path, tokenizer: Any, vocabulary_size: int) -> SimpleNamespace:
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
    return SimpleNamespace(**settings)


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
