"""Which files of which checkpoint a model requires, and whether they are all there."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_score_server.errors import ModelLoadError
from audio_score_server.settings import HiggsAudioSettings, ModelSettings, WhisperSettings

CONFIG: Final = "config.json"
GENERATION: Final = "generation_config.json"
WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
CONVERTED: Final = "model.bin"
"""The weights in CTranslate2's format, which is no pickle."""
_PICKLES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json")
EXTRACTORS: Final = ("preprocessor_config.json", "processor_config.json")
FAST_TOKENIZER: Final = "tokenizer.json"
_VOCABULARIES: Final = (FAST_TOKENIZER, "vocab.json")
_TOKENIZER: Final = (
    "tokenizer_config.json",
    "merges.txt",
    "normalizer.json",
    "added_tokens.json",
    "special_tokens_map.json",
)
_REMEDY: Final = "get the checkpoint anew, or name another"


@dataclass(frozen=True, slots=True)
class RequiredFiles:
    """Which files of a checkpoint there is a use for.

    Attributes:
        groups: names of files; of each group at least one must be there, and all that are there are
            used.
        optional: names of files that are used where they are there.
        tensors: what the names of the required tensors start with, "" for every tensor; None where
            no weights are required.
        converted: groups of names, as in ``groups``, of a checkpoint in CTranslate2's format; None
            where such a one is not of use.
    """

    groups: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    tensors: str | None = None
    converted: tuple[tuple[str, ...], ...] | None = None

    @property
    def small(self) -> tuple[str, ...]:
        """Every name that may be used besides the weights; those that must be there last."""
        return (*self.optional, *(name for group in self.groups for name in group))


WHISPER: Final = RequiredFiles(
    ((CONFIG,), EXTRACTORS, _VOCABULARIES),
    (GENERATION, *_TOKENIZER),
    "",
    converted=((CONFIG,), (FAST_TOKENIZER,)),
)
"""A Whisper model with its processor; a converted one may lack the extractor."""
WHISPER_MODEL: Final = RequiredFiles(((CONFIG,),), (GENERATION,), "", converted=((CONFIG,),))
"""A Whisper model whose processor is elsewhere."""
PROCESSOR: Final = RequiredFiles((EXTRACTORS, _VOCABULARIES), (CONFIG, *_TOKENIZER))
"""A log-mel extractor and a tokenizer, whose kind the model's configuration may tell."""
EXTRACTOR: Final = RequiredFiles((EXTRACTORS,))
"""A log-mel extractor."""
TOWER: Final = RequiredFiles(((CONFIG,),), tensors="audio_tower.")
"""The audio tower of a larger model."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Which files are required, and of what.

    Attributes:
        model_id: a folder, or a name on the hub.
        revision: branch, tag or commit on the hub; None for its main branch.
        required: which of its files.
    """

    model_id: str
    revision: str | None
    required: RequiredFiles


def whisper_checkpoints(model: WhisperSettings) -> tuple[Checkpoint, Checkpoint]:
    """Where the model is, and where its processor is: often the same."""
    if model.processor_id is None:
        whole = Checkpoint(model.model_id, model.revision, WHISPER)
        return whole, whole
    return (
        Checkpoint(model.model_id, model.revision, WHISPER_MODEL),
        Checkpoint(model.processor_id, None, PROCESSOR),
    )


def higgs_audio_checkpoints(model: HiggsAudioSettings) -> tuple[Checkpoint, Checkpoint, Checkpoint]:
    """Where the audio tower, its log-mel extractor and the transcriber are."""
    return (
        Checkpoint(model.model_id, model.revision, TOWER),
        Checkpoint(model.processor_id, None, EXTRACTOR),
        Checkpoint(model.transcriber_id, None, WHISPER),
    )


def checkpoints_of(model: ModelSettings) -> tuple[Checkpoint, ...]:
    """Every checkpoint that a model is made of; none for most types."""
    match model:
        case WhisperSettings():
            return tuple(dict.fromkeys(whisper_checkpoints(model)))
        case HiggsAudioSettings():
            return higgs_audio_checkpoints(model)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class LocalCheckpoint:
    """A checkpoint on this machine's disk.

    Attributes:
        folder: where its files are.
        files: names of the required ones.
        downloaded_bytes: how much of them had to be downloaded.
        repaired: names of those that were damaged and have been downloaded anew.
    """

    folder: Path
    files: tuple[str, ...]
    downloaded_bytes: int = 0
    repaired: tuple[str, ...] = ()


class MissingFile(ModelLoadError):
    """A required file is not among those that a checkpoint has."""


def names_in(folder: Path) -> set[str]:
    """The names of a folder's files, of links that lead nowhere too."""
    return {path.name for path in folder.iterdir()}


def is_converted(names: Collection[str]) -> bool:
    """Whether a checkpoint of such files is to be read as one of CTranslate2."""
    return CONVERTED in names and WEIGHTS not in names and INDEX not in names


def select_files(
    checkpoint: Checkpoint, names: Collection[str], path_of: Callable[[str], Path]
) -> tuple[str, ...]:
    """The names of a checkpoint's required files, in the order to download them in.

    Whoever has the last of them has them all, or else asks: what need not be there comes first,
    weights come last.

    Args:
        checkpoint: what is required.
        names: the files that there are.
        path_of: makes one of them readable and says where it is.

    Raises:
        MissingFile: a required file is not among ``names``.
        ModelLoadError: the weights have no such tensors, or their index is damaged.
    """
    required = checkpoint.required
    converted = required.converted if is_converted(names) else None
    for group in converted or required.groups:
        if not any(name in names for name in group):
            raise MissingFile(f"{checkpoint.model_id} has no {' or '.join(group)}; {_REMEDY}")
    small = (name for name in required.small if name in names)
    return (*small, *_weights(checkpoint, names, path_of))


def _weights(
    checkpoint: Checkpoint, names: Collection[str], path_of: Callable[[str], Path]
) -> tuple[str, ...]:
    prefix = checkpoint.required.tensors
    if prefix is None:
        return ()
    # Of a whole model one file is simpler than several, of a part of it shards are fewer bytes.
    if INDEX in names and (prefix or WEIGHTS not in names):
        return (INDEX, *_shards(checkpoint, names, path_of))
    if WEIGHTS in names:
        if prefix and _skips_tower(checkpoint, path_of):
            raise ModelLoadError(
                f"{checkpoint.model_id} has no audio tower: its {CONFIG} says skip_audio_tower; "
                "name another"
            )
        return (WEIGHTS,)
    if checkpoint.required.converted and CONVERTED in names:
        return (CONVERTED,)
    if any(name in names for name in _PICKLES):
        raise MissingFile(
            f"{checkpoint.model_id} has its weights as a pickle only, which may run any code when "
            f"it is read; name a checkpoint that has {WEIGHTS}"
        )
    others = f", nor CTranslate2's {CONVERTED}" if checkpoint.required.converted else ""
    raise MissingFile(f"{checkpoint.model_id} has no {WEIGHTS} or {INDEX}{others}; {_REMEDY}")


def _shards(
    checkpoint: Checkpoint, names: Collection[str], path_of: Callable[[str], Path]
) -> tuple[str, ...]:
    prefix = checkpoint.required.tensors or ""
    places = _parsed(checkpoint, path_of(INDEX)).get("weight_map")
    if not isinstance(places, dict):
        raise ModelLoadError(f"{checkpoint.model_id}: {INDEX} has no weight_map; {_REMEDY}")
    shards = sorted({str(place) for tensor, place in places.items() if tensor.startswith(prefix)})
    if not shards:
        why = f"no tensor in its {INDEX} starts with {prefix!r}"
        if prefix and _skips_tower(checkpoint, path_of):
            why += f", and its {CONFIG} says skip_audio_tower"
        raise ModelLoadError(f"{checkpoint.model_id} has no audio tower: {why}; name another")
    for shard in shards:
        if shard not in names:
            raise MissingFile(
                f"{checkpoint.model_id} has no {shard}, which its {INDEX} names; {_REMEDY}"
            )
    return tuple(shards)


def _skips_tower(checkpoint: Checkpoint, path_of: Callable[[str], Path]) -> bool:
    return _parsed(checkpoint, path_of(CONFIG)).get("skip_audio_tower") is True


def _parsed(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ModelLoadError(f"{checkpoint.model_id}: {path.name} is not a JSON object; {_REMEDY}")
    return content
