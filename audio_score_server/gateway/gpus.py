"""Which GPUs there are and which worker gets which, without loading PyTorch."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from audio_score_server.gateway.errors import GatewayError

CUDA_VISIBLE_DEVICES: Final = "CUDA_VISIBLE_DEVICES"
_AUTO: Final = "auto"
_DEVICE: Final = re.compile(r"\d+|(GPU|MIG)-[0-9A-Za-z/-]+")
_LISTED: Final = re.compile(r"^GPU (\d+):", re.MULTILINE)
_NO_DEVICES: Final = ("", "-1", "NoDevFiles")
"""Values of ``CUDA_VISIBLE_DEVICES`` where no device may be used."""
_LIST_TIMEOUT_S: Final = 20.0

GpuAssignment = str | None
"""Device that a worker may see; ``""`` for none, None where its environment stays as it is."""


def parse_gpus(text: str) -> list[str] | None:
    """The devices that ``--gpus`` names; None for ``auto``, no devices for ``none``.

    Raises:
        ValueError: the text is neither of these.
    """
    if text == _AUTO:
        return None
    if text == "none":
        return []
    devices = [part.strip() for part in text.split(",")]
    if not all(_DEVICE.fullmatch(device) for device in devices):
        raise ValueError("say auto, none, or numbers or UUIDs as in 0,1")
    if len(set(devices)) < len(devices):
        raise ValueError("a device is named twice; workers share devices by themselves")
    return devices


def assign_gpus(
    gpus: str, workers: int, inherited: str | None, present: Sequence[str]
) -> list[GpuAssignment]:
    """One device for each worker, round robin.

    Args:
        gpus: as given with ``--gpus``.
        workers: how many.
        inherited: the supervisor's ``CUDA_VISIBLE_DEVICES``; None where unset.
        present: numbers of the machine's devices.

    Raises:
        GatewayError: a device that is named is not there.
    """
    devices = parse_gpus(gpus)
    if devices == []:
        return [""] * workers
    if devices is None:
        devices = list(present) if inherited is None else _visible(inherited)
        if not devices:
            return [None] * workers
    missing = [each for each in devices if each.isdecimal() and each not in present]
    if missing and gpus != _AUTO:
        have = f"there are {', '.join(present)}" if present else "nvidia-smi lists none"
        raise GatewayError(
            f"--gpus {gpus}: GPU {', '.join(missing)} is not there; {have}. Name others, or say "
            "auto."
        )
    return [devices[index % len(devices)] for index in range(workers)]


def _visible(inherited: str) -> list[str]:
    if inherited.strip() in _NO_DEVICES:
        return []
    return [part.strip() for part in inherited.split(",")]


def gpu_environment(gpu: GpuAssignment) -> dict[str, str]:
    """Variables that give a worker its device, numbered as ``nvidia-smi`` numbers them."""
    if gpu is None:
        return {}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: gpu}


def parse_gpu_list(text: str) -> list[str]:
    """Numbers of the devices in the output of ``nvidia-smi -L``."""
    return _LISTED.findall(text)


def present_gpus(environment: Mapping[str, str]) -> list[str]:
    """Numbers of the machine's devices; none where ``nvidia-smi`` is missing or fails."""
    try:
        output = subprocess.run(
            ["nvidia-smi", "-L"],
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=_LIST_TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_gpu_list(output)
