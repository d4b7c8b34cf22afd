from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import Contours, Reference
from audio_score_server.library.clip import ClipId, VersionKey
from audio_score_server.references.memory import ReferenceMemory
from tests.support import make_reference

_FRAME_BYTES = 8 * 4 + 4


def _reference(seed: int = 0, frames: int = 50) -> Reference:
    """Of nothing but features."""
    nothing = np.zeros(0, np.float32)
    contours = Contours(0.01, nothing, nothing, nothing, nothing)
    return replace(make_reference(seed, frames), contours=contours)


def _id(number: int) -> VersionKey:
    return ClipId("film", str(number)), "1", None


def _frames(reference: Reference) -> int:
    return len(reference.features.speech)


_STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "get"]), st.integers(0, 5), st.integers(0, 12)), max_size=40
)


@given(_STEPS, st.integers(0, 30))
def test_the_least_recently_used_leave_first_and_the_limit_holds(
    steps: list[tuple[str, int, int]], limit_frames: int
) -> None:
    memory = ReferenceMemory(limit_frames * _FRAME_BYTES)
    expected: dict[int, Reference] = {}
    for step, number, frames in steps:
        if step == "put":
            expected.pop(number, None)
            expected[number] = _reference(frames=frames)
            memory.put(_id(number), expected[number])
            while len(expected) > 1 and sum(map(_frames, expected.values())) > limit_frames:
                expected.pop(next(iter(expected)))
        else:
            found = memory.get(_id(number))
            assert found is expected.get(number)
            if found is not None:
                expected[number] = expected.pop(number)
    assert {number for number in range(6) if memory.get(_id(number)) is not None} == set(expected)


def test_what_is_used_stays_longer_than_what_is_only_newer() -> None:
    memory = ReferenceMemory(20 * _FRAME_BYTES)
    for number in (1, 2):
        memory.put(_id(number), _reference(frames=10))
    assert memory.get(_id(1)) is not None
    memory.put(_id(3), _reference(frames=10))
    assert memory.get(_id(2)) is None
    assert memory.get(_id(1)) is not None


def test_the_newest_stays_however_large_it_is() -> None:
    memory = ReferenceMemory(0)
    for number in (1, 2):
        memory.put(_id(number), _reference(frames=100))
    assert memory.get(_id(1)) is None
    assert memory.get(_id(2)) is not None


def test_putting_a_clip_again_does_not_count_it_twice() -> None:
    memory = ReferenceMemory(20 * _FRAME_BYTES)
    memory.put(_id(1), _reference(frames=10))
    for _ in range(10):
        memory.put(_id(2), _reference(frames=10))
    assert memory.get(_id(1)) is not None


def test_threads_may_share_it() -> None:
    memory = ReferenceMemory(30 * _FRAME_BYTES)
    references = [_reference(number, 10) for number in range(6)]
    start = threading.Barrier(4)
    wrong: list[int] = []

    def use(offset: int) -> None:
        start.wait()
        for step in range(500):
            number = (step * (offset + 1)) % 6
            memory.put(_id(number), references[number])
            found = memory.get(_id((number + 1) % 6))
            if found is not None and found is not references[(number + 1) % 6]:
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(memory.get(_id(number)) is not None for number in range(6)) == 3


def test_contours_count() -> None:
    drawn = make_reference(frames=1)
    memory = ReferenceMemory(2 * _FRAME_BYTES + drawn.contours.level_db.nbytes)
    memory.put(_id(1), _reference(frames=1))
    memory.put(_id(2), drawn)
    assert memory.get(_id(1)) is None
