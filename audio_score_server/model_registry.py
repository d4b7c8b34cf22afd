"""The loaded models: found by key and capability, counted while somebody uses them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from audio_score_server.errors import (
    CapabilityUnsupported,
    NoModelError,
    NotReady,
    UnknownModel,
    shortened,
)
from audio_score_server.library.clip import Library
from audio_score_server.pipelines.batch_protocol import BatchScorer
from audio_score_server.pipelines.protocol import Model, Scorer, TranscriptionModel

_LOG = logging.getLogger(__name__)
ModelT = TypeVar("ModelT")


@dataclass(frozen=True, slots=True)
class Capability(Generic[ModelT]):
    """Something that a model may be able to do, and that routes ask for.

    Attributes:
        name: a verb, for people.
        protocol: what models that can do it offer; runtime-checkable.
        types: of models that can, as settings have them.
    """

    name: str
    protocol: type[ModelT]
    types: tuple[str, ...]


SCORE: Capability[Scorer] = Capability(
    "score",
    Scorer,  # type: ignore[type-abstract]
    ("phones", "whisper"),
)
SCORE_MANY: Capability[BatchScorer] = Capability(
    "score several recordings or clips at once",
    BatchScorer,  # type: ignore[type-abstract]
    ("phones", "whisper"),
)
TRANSCRIBE: Capability[TranscriptionModel] = Capability(
    "transcribe",
    TranscriptionModel,  # type: ignore[type-abstract]
    ("whisper", "higgs_audio"),
)


class _Entry:
    """A model, whether requests may name it, and how many use it now."""

    def __init__(self, model: Model, listed: bool) -> None:
        self.model = model
        self.listed = listed
        self.needs: list[_Entry] = []
        self.unused = asyncio.Event()
        self.unused.set()
        self._users = 0

    def acquire(self) -> None:
        self._users += 1
        self.unused.clear()

    def release(self) -> None:
        self._users -= 1
        if not self._users:
            self.unused.set()


class ModelRegistry:
    """Models in order of preference, and those that only serve others.

    Belongs to one event loop. A model that is removed is closed when its last user is done.
    """

    def __init__(self, models: Sequence[Model], auxiliary: Sequence[Model] = ()) -> None:
        """``auxiliary``: models that others need and that no request may name."""
        self._entries: dict[str, _Entry] = {}
        for model in models:
            self._entries[model.key] = _Entry(model, listed=True)
        for model in auxiliary:
            self._entries[model.key] = _Entry(model, listed=False)
        for entry in self._entries.values():
            self._acquire_needs(entry)

    def add(self, model: Model) -> None:
        """Offer one more model, after the others; it has been started.

        Raises:
            ValueError: there is a model of this key.
        """
        if model.key in self._entries:
            raise ValueError(f"there is a model {model.key!r} already")
        entry = self._entries[model.key] = _Entry(model, listed=True)
        self._acquire_needs(entry)

    def _acquire_needs(self, entry: _Entry) -> None:
        """A model that another one needs has a user for as long as that is open."""
        entry.needs = [self._entries[model.key] for model in entry.model.needs]
        for needed in entry.needs:
            needed.acquire()

    async def start(self, library: Library, concurrency: int) -> None:
        """Start each model; those that fail are told and left out like any that fail to load.

        Args:
            library: the clips to make ready for.
            concurrency: clips that are encoded at once.

        Raises:
            NoModelError: not one could be started.
        """
        for model in self.models():
            try:
                await model.start(library, concurrency)
            except Exception as error:
                _LOG.warning("Model %s is left out: %r.", model.key, error)
                _LOG.debug("How model %s failed to start:", model.key, exc_info=error)
                await self.discard(model.key)
        if not self.models():
            raise NoModelError("None of the models could be started. The lines above say why.")

    def models(self) -> tuple[Model, ...]:
        """Those that requests may name, the default first."""
        return tuple(entry.model for entry in self._entries.values() if entry.listed)

    def all_models(self) -> tuple[Model, ...]:
        """The auxiliary ones too."""
        return tuple(entry.model for entry in self._entries.values())

    def able(self, capability: Capability[ModelT]) -> tuple[ModelT, ...]:
        """Those models that requests may name and that have a capability, the default first."""
        return tuple(
            cast(ModelT, model) for model in self.models() if isinstance(model, capability.protocol)
        )

    @contextmanager
    def lease(self, key: str | None, capability: Capability[ModelT]) -> Iterator[ModelT]:
        """A model for as long as it is used.

        Args:
            key: None for the first that has the capability.
            capability: what it is to do.

        Raises:
            UnknownModel: there is none of this key.
            CapabilityUnsupported: it cannot do that.
        """
        entry = self._entry(key, capability)
        entry.acquire()
        try:
            yield cast(ModelT, entry.model)
        finally:
            entry.release()

    async def remove(self, key: str) -> None:
        """Take a model out: no request finds it any more; close it when its last user is done.

        Raises:
            UnknownModel: there is none of this key.
        """
        entry = self._take_out(key)
        await entry.unused.wait()
        await _close(entry)

    async def discard(self, key: str) -> None:
        """Take a model out that could not be started, and close it, whoever needs it.

        Raises:
            UnknownModel: there is none of this key.
        """
        await _close(self._take_out(key))

    def _take_out(self, key: str) -> _Entry:
        entry = self._entries.get(key)
        if entry is None or not entry.listed:
            raise self._unknown(key)
        del self._entries[key]
        return entry

    async def close(self) -> None:
        """Close every model at once, whoever uses it: their requests end with ``NotReady``."""
        entries, self._entries = self._entries, {}
        for entry in entries.values():
            await entry.model.close()

    def _entry(self, key: str | None, capability: Capability[ModelT]) -> _Entry:
        listed = [entry for entry in self._entries.values() if entry.listed]
        named = [entry for entry in listed if key is None or entry.model.key == key]
        able = [entry for entry in named if isinstance(entry.model, capability.protocol)]
        if able:
            return able[0]
        if not listed:
            raise NotReady("No model is loaded now. Try again shortly.")
        if key is not None and not named:
            raise self._unknown(key)
        others = ", ".join(key_of(model) for model in self.able(capability))
        if others:
            name = f"Model {shortened(key or '')!r}"
            raise CapabilityUnsupported(f"{name} cannot {capability.name}; these can: {others}.")
        raise CapabilityUnsupported(
            f"No loaded model can {capability.name}. The server needs one of type "
            f"{' or '.join(capability.types)}: add it to 'models' in its config.json, and to "
            "AUDIO_SCORE_MODEL_KEYS where that is set."
        )

    def _unknown(self, key: str) -> UnknownModel:
        loaded = ", ".join(model.key for model in self.models())
        return UnknownModel(f"Model {shortened(key)!r} is not loaded; loaded are: {loaded}.")


async def _close(entry: _Entry) -> None:
    await entry.model.close()
    for needed in entry.needs:
        needed.release()


def key_of(model: object) -> str:
    """The key of a model, whatever it can do."""
    return cast(Model, model).key
