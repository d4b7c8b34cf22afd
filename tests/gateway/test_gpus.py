from __future__ import annotations

import pytest

from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.gpus import assign_gpus, gpu_environment, parse_gpu_list
from audio_score_server.gateway.worker import divide_threads

UUID = "GPU-8f6f0e2e-0a0b-4f8e-9a53-2a1b0c9d8e7f"


@pytest.mark.parametrize(
    ("gpus", "inherited", "present", "expected"),
    [
        ("auto", None, [], [None, None, None]),
        ("auto", None, ["0", "1"], ["0", "1", "0"]),
        ("auto", "1", ["0", "1"], ["1", "1", "1"]),
        ("auto", f"0,{UUID}", ["0", "1"], ["0", UUID, "0"]),
        ("auto", "", ["0", "1"], [None, None, None]),
        ("auto", "-1", ["0", "1"], [None, None, None]),
        ("none", "0", ["0"], ["", "", ""]),
        ("1", None, ["0", "1"], ["1", "1", "1"]),
        ("0,1,2,3", None, ["0", "1", "2", "3"], ["0", "1", "2"]),
        (UUID, None, [], [UUID, UUID, UUID]),
    ],
)
def test_workers_are_spread_over_devices(
    gpus: str, inherited: str | None, present: list[str], expected: list[str | None]
) -> None:
    assert assign_gpus(gpus, 3, inherited, present) == expected


def test_a_missing_device_is_an_error() -> None:
    with pytest.raises(GatewayError, match=r"GPU 2 is not there; there are 0, 1"):
        assign_gpus("0,2", 2, None, ["0", "1"])
    with pytest.raises(GatewayError, match="nvidia-smi lists none"):
        assign_gpus("0", 2, None, [])


def test_devices_are_numbered_as_nvidia_smi_numbers_them() -> None:
    output = (
        f"GPU 0: NVIDIA H200 (UUID: {UUID})\n  MIG 1g.18gb Device  0: (UUID: MIG-1)\nGPU 1: X\n"
    )
    assert parse_gpu_list(output) == ["0", "1"]
    assert gpu_environment("1") == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}
    assert gpu_environment(None) == {}


@pytest.mark.parametrize(
    ("cores", "workers", "expected"),
    [(8, 2, [4, 4]), (8, 3, [3, 3, 2]), (2, 4, [1, 1, 1, 1]), (1, 1, [1])],
)
def test_cores_are_divided(cores: int, workers: int, expected: list[int]) -> None:
    assert divide_threads(cores, workers) == expected
