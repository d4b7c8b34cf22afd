"""Which GPUs there are and which worker gets which, without loading PyTorch."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from audio_score_server.gateway.errors import GatewayError

AUTO: Final = "auto"
NONE: Final = "none"
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
_ORDER: Final = "CUDA_DEVICE_ORDER"
_DEVICE: Final = re.compile(r"\d+|(GPU|MIG)-[0-9A-Za-z/-]+")
_LISTED: Final = re.compile(r"^GPU (\d+):", re.MULTILINE)
_NOTHING: Final = ("", "-1", "NoDevFiles")
"""What ``CUDA_VISIBLE_DEVICES`` says where no device may be used."""
_LIST_S: Final = 20.0

Assignment = str | None
"""What a worker may see: a device, ``""`` for none, or None where that is not for us to say."""


def parse_choice(text: str) -> list[str] | None:
    """The devices that ``--gpus`` names; None for ``auto``, nothing for ``none``.

    Raises:
        ValueError: the text is neither of these.
    """
    if text == AUTO:
        return None
    if text == NONE:
        return []
    devices = [part.strip() for part in text.split(",")]
    if not all(_DEVICE.fullmatch(device) for device in devices):
        raise ValueError("say auto, none, or numbers or UUIDs as in 0,1")
    if len(set(devices)) < len(devices):
        raise ValueError("a device is named twice; workers share devices by themselves")
    return devices


def assignments(
    choice: str, workers: int, inherited: str | None, present: Sequence[str]
) -> list[Assignment]:
    """One device for each worker, round robin.

    Args:
        choice: as given with ``--gpus``.
        workers: how many.
        inherited: ``CUDA_VISIBLE_DEVICES`` of the launcher; None where unset.
        present: numbers of the machine's devices.

    Raises:
        GatewayError: a device that is named is not there.
    """
    devices = parse_choice(choice)
    if devices == []:
        return [""] * workers
    if devices is None:
        devices = list(present) if inherited is None else _visible(inherited)
        if not devices:
            return [None] * workers
    missing = [each for each in devices if each.isdecimal() and each not in present]
    if missing and choice != AUTO:
        have = f"there are {', '.join(present)}" if present else "nvidia-smi tells of none"
        raise GatewayError(
            f"--gpus {choice}: GPU {', '.join(missing)} is not there; {have}. Name others, or say "
            "auto."
        )
    return [devices[index % len(devices)] for index in range(workers)]


def _visible(inherited: str) -> list[str]:
    if inherited.strip() in _NOTHING:
        return []
    return [part.strip() for part in inherited.split(",")]


def environment_of(assignment: Assignment) -> dict[str, str]:
    """Variables that give a worker its device, numbered as ``nvidia-smi`` numbers them."""
    return {} if assignment is None else {_ORDER: "PCI_BUS_ID", VISIBLE: assignment}


def listed(text: str) -> list[str]:
    """Numbers of the devices in the output of ``nvidia-smi -L``."""
    return _LISTED.findall(text)


def present_gpus(environment: Mapping[str, str]) -> list[str]:
    """Numbers of the machine's devices; none where ``nvidia-smi`` is missing or fails."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "-L"],
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=_LIST_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return listed(answer.stdout)
