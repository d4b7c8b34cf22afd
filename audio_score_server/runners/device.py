"""Where a model runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import torch

from audio_score_server.domain import ModelInfo
from audio_score_server.errors import DeviceMemoryError, ModelLoadError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
_M_ARENA_MAX: Final = -8
_M_MMAP_THRESHOLD: Final = -3
"""Names of glibc's settings, as ``malloc.h`` has them."""
_POOLS: Final = 2
_LARGE_BYTES: Final = 2**22
"""Pieces that are as large go back at once."""
_CPU_OUT_OF_MEMORY: Final = "can't allocate memory"


def give_back_memory() -> None:
    """Have the C library return what is freed, where it is glibc, which keeps most of it.

    It takes some milliseconds.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def limit_memory_pools() -> None:
    """Have the C library, where it is glibc, keep fewer freed pieces of memory for each thread.

    Whisper's passes free some megabytes at a time, in threads that come after each other: by
    glibc's own choice as many pools as there are threads keep what each of them once needed.
    """
    with suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, _POOLS)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def choose_device(name: str) -> torch.device:
    """The device of a setting: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ModelLoadError: it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelLoadError(f"device {name!r} was asked for, but CUDA is not available")
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise ModelLoadError(
            f"device {name!r} was asked for; the last one is cuda:{torch.cuda.device_count() - 1}"
        )
    return device


def place(
    device: torch.device, tensors: Iterable[torch.Tensor], int8: Iterable[torch.Tensor] = ()
) -> ModelInfo:
    """What a model's tensors come to on a device.

    Args:
        device: where they are.
        tensors: those that are kept as they are.
        int8: those whose matrices are kept in eight bits.
    """
    weights, rounded = list(tensors), list(int8)
    name = str(device)
    if device.type == "cuda":
        name = f"{device} ({torch.cuda.get_device_name(device)})"
    return ModelInfo(
        device=name,
        dtype=str(weights[0].dtype).removeprefix("torch.") if weights else "",
        parameters=sum(weight.numel() for weight in [*weights, *rounded]),
        size=sum(weight.nbytes for weight in weights)
        + sum(weight.numel() if weight.ndim == 2 else weight.nbytes for weight in rounded),
    )


def within_memory(
    run: Callable[[Sequence[ItemT]], list[ResultT]],
) -> Callable[[Sequence[ItemT]], list[ResultT]]:
    """``run``, with a batch that does not fit into the device's memory halved and tried again.

    The returned function raises ``DeviceMemoryError`` where an item does not fit even alone.
    """

    def attempt(items: Sequence[ItemT]) -> list[ResultT]:
        try:
            return run(items)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        # Outside the handler: the traceback there keeps the batch's tensors alive.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(items) == 1:
            raise DeviceMemoryError(
                "The model's device has too little memory for this recording. Try again later, or "
                "send a shorter one."
            )
        middle = len(items) // 2
        return [*attempt(items[:middle]), *attempt(items[middle:])]

    return attempt


def is_fatal(error: Exception) -> bool:
    """Whether an error has left the device useless to this process: CUDA's errors are sticky."""
    if out_of_memory(error) or "CUDA error" not in str(error):
        return False
    try:
        torch.cuda.synchronize()
    except Exception:
        return True
    return False


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory is full."""
    return isinstance(error, torch.OutOfMemoryError) or _CPU_OUT_OF_MEMORY in str(error)
