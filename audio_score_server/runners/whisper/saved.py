"""A Whisper checkpoint as transformers saves it: ``config.json`` and safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import torch
from safetensors import safe_open

from audio_score_server.checkpoints.required import CONFIG, GENERATION, INDEX, WEIGHTS
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.whisper.modules import SideSizes, WhisperSizes

_UNSAID: Final = {"suppress_tokens": None, "begin_suppress_tokens": None}


@dataclass(frozen=True, slots=True)
class CheckpointContent:
    """What a checkpoint's files hold, whatever their format.

    Attributes:
        sizes: of the model.
        weights: by transformers' names; quantised ones as the float32 that they stand for.
        generation: its special tokens, and those that it never says, by the names of transformers'
            ``generation_config.json``.
    """

    sizes: WhisperSizes
    weights: dict[str, torch.Tensor]
    generation: SimpleNamespace


def read_saved(folder: Path) -> CheckpointContent:
    """Read a folder.

    Raises:
        ModelLoadError: the configuration does not tell what is needed.
        Exception: whatever is found wrong with the files.
    """
    config = _object(folder / CONFIG)
    path = folder / GENERATION
    generation = _object(path) if path.exists() else {}
    return CheckpointContent(
        _sizes(config), _weights(folder), SimpleNamespace(**(_UNSAID | dict(generation)))
    )


def _object(path: Path) -> Mapping[str, Any]:
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ModelLoadError(f"{path.name} is not a JSON object; get the checkpoint anew")
    return content


def _sizes(config: Mapping[str, Any]) -> WhisperSizes:
    try:
        width, bands, words = (
            int(config[name]) for name in ("d_model", "num_mel_bins", "vocab_size")
        )
        encoder, decoder = (
            SideSizes(
                int(config[f"{side}_layers"]),
                int(config[f"{side}_attention_heads"]),
                int(config[f"{side}_ffn_dim"]),
                int(config[f"max_{positions}_positions"]),
            )
            for side, positions in (("encoder", "source"), ("decoder", "target"))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelLoadError(
            f"{CONFIG} does not tell the sizes of a Whisper model ({error}); get the checkpoint "
            "anew, or name another"
        ) from error
    for heads in (encoder.heads, decoder.heads):
        if heads < 1 or width % heads:
            raise ModelLoadError(
                f"{CONFIG} is wrong: {width} dimensions cannot be shared among {heads} heads; get "
                "the checkpoint anew"
            )
    return WhisperSizes(width, bands, words, encoder, decoder)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    if (folder / WEIGHTS).exists():
        files = {WEIGHTS}
    else:
        files = set(_object(folder / INDEX)["weight_map"].values())
    found: dict[str, torch.Tensor] = {}
    for file in sorted(files):
        with safe_open(folder / file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no mapping, in spite of its keys
                # Some are saved from within the model that adds the scores of the vocabulary.
                own = name if name.startswith(("model.", "proj_out.")) else f"model.{name}"
                found[own] = tensors.get_tensor(name)
    return found
