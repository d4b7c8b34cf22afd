from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.errors import DeviceMemoryError, ModelLoadError
from audio_score_server.runners.device import (
    choose_device,
    is_fatal,
    out_of_memory,
    place,
    within_memory,
)
from audio_score_server.web.errors import answer_of

_ERRORS = st.sampled_from(
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
        ),
    ]
)


@given(st.integers(1, 20), st.sets(st.integers(2, 20)), _ERRORS)
def test_whatever_sizes_fail_each_item_is_answered_once_in_order(
    count: int, failing: set[int], error: RuntimeError
) -> None:
    answered: list[int] = []

    def run(items: Sequence[int]) -> list[int]:
        if len(items) in failing:
            raise error
        answered.extend(items)
        return [-item for item in items]

    assert within_memory(run)(range(count)) == [-item for item in range(count)]
    assert answered == list(range(count))


@given(st.integers(1, 20), st.integers(0, 19), _ERRORS)
def test_an_item_that_does_not_fit_alone_is_told(
    count: int, large: int, error: RuntimeError
) -> None:
    def run(items: Sequence[int]) -> list[int]:
        if large % count in items:
            raise error
        return list(items)

    with pytest.raises(DeviceMemoryError, match=r"too little memory .* Try again later"):
        within_memory(run)(range(count))


def test_what_does_not_fit_is_halved() -> None:
    sizes = []

    def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > 2:
            raise torch.OutOfMemoryError
        return list(items)

    within_memory(run)(range(8))
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


def test_what_fits_is_run_as_it_stands() -> None:
    calls: list[Sequence[int]] = []

    def run(items: Sequence[int]) -> list[int]:
        calls.append(items)
        return list(items)

    items = [3, 1, 2]
    assert within_memory(run)(items) == items
    assert calls == [items]


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no"), KeyError(1)])
def test_other_errors_pass(error: Exception) -> None:
    attempts = []

    def run(items: Sequence[int]) -> list[int]:
        attempts.append(items)
        raise error

    with pytest.raises(type(error)) as raised:
        within_memory(run)([1, 2, 3])
    assert raised.value is error
    assert len(attempts) == 1


def test_a_failed_attempt_is_let_go_before_the_next() -> None:
    alive: list[int] = []

    class Large:
        def __init__(self) -> None:
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    def run(items: Sequence[int]) -> list[int]:
        assert not alive
        kept = Large()
        if len(items) > 1:
            raise torch.OutOfMemoryError
        del kept
        return list(items)

    assert within_memory(run)([1, 2, 3, 4]) == [1, 2, 3, 4]


def test_memory_of_this_machine_that_is_not_there_is_known_for_what_it_is() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(raised.value)
    assert not is_fatal(raised.value)
    assert not out_of_memory(RuntimeError("shapes differ"))


def test_errors_of_programs_leave_the_device_useful() -> None:
    assert not is_fatal(RuntimeError("shapes differ"))
    assert not is_fatal(torch.OutOfMemoryError("CUDA error: out of memory"))


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_a_device_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(ModelLoadError, match=f"device '{name}' was asked for"):
        choose_device(name)


def test_matrices_of_eight_bits_take_a_byte_a_weight() -> None:
    tensors = [torch.zeros(2, 3), torch.zeros(4)]
    info = place(torch.device("cpu"), [torch.zeros(5)], tensors)
    assert info.parameters == 15
    assert info.size == 4 * 5 + 6 + 4 * 4


def test_a_placement_adds_up_the_tensors() -> None:
    tensors = [torch.zeros(2, 3, dtype=torch.bfloat16), torch.zeros(4, dtype=torch.bfloat16)]
    info = place(torch.device("cpu"), iter(tensors))
    assert info.device == "cpu"
    assert info.dtype == "bfloat16"
    assert info.parameters == 10
    assert info.size == 20
    assert place(torch.device("cpu"), []).dtype == ""


def test_a_recording_that_does_not_fit_is_not_sent_to_another_worker() -> None:
    answer = answer_of(DeviceMemoryError("too little memory"), "/score")
    # What says 503 is tried again elsewhere, by a proxy or by the client after a while.
    assert answer.status_code == 507
    assert "Retry-After" not in answer.headers
