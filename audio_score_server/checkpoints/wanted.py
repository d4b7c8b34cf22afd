"""Which files of a checkpoint are wanted, and whether they are all there."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_score_server.errors import ModelLoadError

CONFIG: Final = "config.json"
_GENERATION: Final = "generation_config.json"
_WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
CONVERTED: Final = "model.bin"
"""The weights in CTranslate2's format, which is no pickle."""
_PICKLES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json")
EXTRACTORS: Final = ("preprocessor_config.json", "processor_config.json")
_FAST: Final = "tokenizer.json"
_VOCABULARIES: Final = (_FAST, "vocab.json")
_TOKENIZER: Final = (
    "tokenizer_config.json",
    "merges.txt",
    "normalizer.json",
    "added_tokens.json",
    "special_tokens_map.json",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files of a checkpoint there is a use for.

    Attributes:
        needed: groups of names. Of each group at least one file must be there; all that are there
            are wanted.
        welcome: names of files that are wanted where they are there.
        tensors: what the names of the wanted tensors start with, "" for every tensor; None where no
            weights are wanted.
        converted: groups of names, as in ``needed``, of a checkpoint in CTranslate2's format; None
            where such a one is not of use.
    """

    needed: tuple[tuple[str, ...], ...]
    welcome: tuple[str, ...] = ()
    tensors: str | None = None
    converted: tuple[tuple[str, ...], ...] | None = None

    @property
    def small(self) -> tuple[str, ...]:
        """Every name that may be wanted besides the weights; those that must be there last."""
        return (*self.welcome, *(name for group in self.needed for name in group))


WHISPER: Final = Wanted(
    ((CONFIG,), EXTRACTORS, _VOCABULARIES),
    (_GENERATION, *_TOKENIZER),
    "",
    converted=((CONFIG,), (_FAST,)),
)
"""A Whisper model with its processor; a converted one may lack the extractor."""
WHISPER_MODEL: Final = Wanted(((CONFIG,),), (_GENERATION,), "", converted=((CONFIG,),))
"""A Whisper model whose processor is elsewhere."""
PROCESSOR: Final = Wanted((EXTRACTORS, _VOCABULARIES), (CONFIG, *_TOKENIZER))
"""A log-mel extractor and a tokenizer, whose kind the model's configuration may tell."""
EXTRACTOR: Final = Wanted((EXTRACTORS,))
"""A log-mel extractor."""
TOWER: Final = Wanted(((CONFIG,),), tensors="audio_tower.")
"""The audio tower of a larger model."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What to get, and from where.

    Attributes:
        model_id: a folder, or a name on the hub.
        revision: branch, tag or commit on the hub; None for its main branch.
        wanted: which of its files.
    """

    model_id: str
    revision: str | None
    wanted: Wanted


class Lacking(ModelLoadError):
    """Some wanted file is not among those that there are."""


def choose(
    checkpoint: Checkpoint, names: Collection[str], read: Callable[[str], Path]
) -> tuple[str, ...]:
    """The files to have, in the order to fetch them in.

    Whoever has the last of them has them all, or else asks: what need not be there comes first,
    weights come last.

    Args:
        checkpoint: what is wanted.
        names: the files that there are.
        read: makes one of them readable and says where it is.

    Raises:
        Lacking: a needed file is not among ``names``.
        ModelLoadError: the weights have no such tensors, or their index is damaged.
    """
    wanted = checkpoint.wanted
    converted = wanted.converted if is_converted(names) else None
    for group in converted or wanted.needed:
        if not any(name in names for name in group):
            raise Lacking(f"{checkpoint.model_id} has no {' or '.join(group)}")
    small = (name for name in wanted.small if name in names)
    return (*small, *_weights(checkpoint, names, read))


def is_converted(names: Collection[str]) -> bool:
    """Whether a checkpoint of such files is to be read as one of CTranslate2."""
    return CONVERTED in names and _WEIGHTS not in names and INDEX not in names


def _weights(
    checkpoint: Checkpoint, names: Collection[str], read: Callable[[str], Path]
) -> tuple[str, ...]:
    prefix = checkpoint.wanted.tensors
    if prefix is None:
        return ()
    # Of a whole model one file is simpler than several, of a part of it shards are fewer bytes.
    if INDEX in names and (prefix or _WEIGHTS not in names):
        return (INDEX, *_shards(checkpoint, names, read))
    if _WEIGHTS in names:
        if prefix and _says_no_tower(checkpoint, read):
            raise ModelLoadError(
                f"{checkpoint.model_id} has no audio tower: its {CONFIG} says skip_audio_tower"
            )
        return (_WEIGHTS,)
    if checkpoint.wanted.converted and CONVERTED in names:
        return (CONVERTED,)
    if any(name in names for name in _PICKLES):
        raise Lacking(
            f"{checkpoint.model_id} has its weights as a pickle only, which may run any code when "
            f"it is read; name a checkpoint that has {_WEIGHTS}"
        )
    others = f", nor CTranslate2's {CONVERTED}" if checkpoint.wanted.converted else ""
    raise Lacking(f"{checkpoint.model_id} has no {_WEIGHTS} or {INDEX}{others}")


def _shards(
    checkpoint: Checkpoint, names: Collection[str], read: Callable[[str], Path]
) -> tuple[str, ...]:
    prefix = checkpoint.wanted.tensors or ""
    places = _parsed(checkpoint, read(INDEX)).get("weight_map")
    if not isinstance(places, dict):
        raise ModelLoadError(f"{checkpoint.model_id}: {INDEX} has no weight_map")
    shards = sorted({str(place) for tensor, place in places.items() if tensor.startswith(prefix)})
    if not shards:
        why = f"no tensor in its {INDEX} starts with {prefix!r}"
        if prefix and _says_no_tower(checkpoint, read):
            why += f", and its {CONFIG} says skip_audio_tower"
        raise ModelLoadError(f"{checkpoint.model_id} has no audio tower: {why}")
    for shard in shards:
        if shard not in names:
            raise Lacking(f"{checkpoint.model_id} has no {shard}, which its {INDEX} names")
    return tuple(shards)


def _says_no_tower(checkpoint: Checkpoint, read: Callable[[str], Path]) -> bool:
    return _parsed(checkpoint, read(CONFIG)).get("skip_audio_tower") is True


def _parsed(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise Lacking(f"{checkpoint.model_id} has no {path.name}") from None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ModelLoadError(f"{checkpoint.model_id}: {path.name} is not a JSON object")
    return content
