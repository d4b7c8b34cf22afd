"""What a measurement was taken on."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil
import torch

from bench.measure import cores

_CPU_INFO: Final = Path("/proc/cpuinfo")
_MATRICES: Final = ("amx_bf16", "avx512_bf16", "bf16")
"""Instructions that multiply matrices of bfloat16."""


def describe(device: str, packages: Sequence[str]) -> str:
    """Processor, accelerator where it is used, memory, and versions of packages, in a line."""
    hardware = [f"{_processor()}, {cores()} cores ({', '.join(_instructions())})"]
    if torch.device(device).type == "cuda":
        hardware.append(torch.cuda.get_device_name(device))
    hardware.append(f"{psutil.virtual_memory().total / 2**30:.0f} GiB")
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{package} {_version(package)}" for package in packages]
    return f"{', '.join(hardware)}; {', '.join(versions)}."


def _processor() -> str:
    """As Linux names it, which Python does not ask."""
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _instructions() -> list[str]:
    capabilities = torch.cpu.get_capabilities()
    general = torch.backends.cpu.get_cpu_capability()
    return [general, *(name for name in _MATRICES if capabilities.get(name))]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
