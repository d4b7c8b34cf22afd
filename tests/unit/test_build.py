from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_score_server.domain import Reference
from audio_score_server.errors import (
    BatchError,
    DeviceMemoryError,
    EmptyAudio,
    ReferenceMissing,
    TooLongAudio,
    TooShortAudio,
    UndecodableAudio,
)
from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.library.errors import ClipUnreadable, LibraryUnavailable
from audio_score_server.references import build
from audio_score_server.references.build import ReferenceBuilder, complaint
from audio_score_server.references.entry import FEATURES, EntryInvalid
from audio_score_server.references.store import ReferenceStore
from tests.support import make_clip, make_reference, path_of, rescanned, same_reference

_PATIENCE_S = 30.0


def _run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(_PATIENCE_S):
            await scenario()

    asyncio.run(bounded())


def _store(tmp_path: Path) -> ReferenceStore:
    return ReferenceStore(tmp_path / "cache" / "model", ("runner", "settings"), 10**6)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return [make_clip(tmp_path / "clips", f"film_{number}.wav") for number in range(5)]


class _Encoder:
    """Encodes each clip into features of its own; fails where it is told to."""

    def __init__(self, failures: dict[str, Exception] | None = None) -> None:
        self.encoded: Counter[str] = Counter()
        self.most_at_once = 0
        self._at_once = 0
        self._failures = failures or {}

    async def encode(self, clip: Clip) -> Reference:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        for _ in range(3):
            await asyncio.sleep(0)
        self._at_once -= 1
        self.encoded[clip.id.cid] += 1
        if clip.id.cid in self._failures:
            raise self._failures[clip.id.cid]
        return _reference(clip)


def _reference(clip: Clip) -> Reference:
    return make_reference(int(clip.id.cid))


def test_what_is_missing_is_built_once_and_for_all(tmp_path: Path, clips: list[Clip]) -> None:
    encoder = _Encoder()

    async def scenario() -> None:
        for _ in range(2):
            builder = ReferenceBuilder("model", _store(tmp_path), encoder.encode)
            await builder.build_missing(clips, 2)
            assert builder.failures == {}

    _run(scenario)
    assert encoder.encoded == Counter("01234")
    assert encoder.most_at_once <= 2
    for clip in clips:
        assert same_reference(_store(tmp_path).read(clip), _reference(clip))


def test_only_what_is_damaged_or_stale_is_built_again(tmp_path: Path, clips: list[Clip]) -> None:
    encoder = _Encoder()

    async def scenario() -> None:
        await ReferenceBuilder("model", _store(tmp_path), encoder.encode).build_missing(clips, 8)
        (tmp_path / "cache" / "model" / "film" / "1" / FEATURES).write_bytes(b"x")
        path_of(clips[3]).with_suffix(".txt").write_text("another text")
        changed = [rescanned(path_of(clip)) for clip in clips]
        await ReferenceBuilder("model", _store(tmp_path), encoder.encode).build_missing(changed, 8)

    _run(scenario)
    assert encoder.encoded == Counter("0112334")


def test_without_clips_there_is_nothing_to_build(tmp_path: Path) -> None:
    async def scenario() -> None:
        await ReferenceBuilder("model", _store(tmp_path), _Encoder().encode).build_missing([], 4)

    _run(scenario)
    assert not (tmp_path / "cache").exists()


def test_workers_share_the_building(tmp_path: Path, clips: list[Clip]) -> None:
    encoders = [_Encoder() for _ in range(3)]

    async def scenario() -> None:
        builders = [
            ReferenceBuilder("model", _store(tmp_path), encoder.encode) for encoder in encoders
        ]
        await asyncio.gather(*(builder.build_missing(clips, 2) for builder in builders))

    _run(scenario)
    total = encoders[0].encoded + encoders[1].encoded + encoders[2].encoded
    assert total == Counter("01234")


def test_a_worker_waits_for_what_another_is_building(tmp_path: Path, clips: list[Clip]) -> None:
    async def scenario() -> None:
        ours, theirs, encoder = _store(tmp_path), _store(tmp_path), _Encoder()
        builder = ReferenceBuilder("model", ours, encoder.encode)
        with theirs.claim(clips[0]) as mine:
            assert mine
            building = asyncio.create_task(builder.build_missing(clips[:1], 2))
            done, _ = await asyncio.wait([building], timeout=0.1)
            assert not done
            theirs.write(clips[0], _reference(clips[0]))
        await building
        assert encoder.encoded == Counter()
        ours.check(clips[0])

    _run(scenario)


@pytest.mark.parametrize(
    "error",
    [
        UndecodableAudio("no audio track"),
        FileNotFoundError("gone"),
        # Whatever a library makes of an odd clip or text: the other clips can still be served.
        ValueError("odd"),
        KeyError("odd"),
    ],
)
def test_a_clip_that_fails_is_told_and_left_out(
    tmp_path: Path, clips: list[Clip], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = _Encoder({"2": error})

    async def scenario() -> None:
        builder = ReferenceBuilder("model", _store(tmp_path), encoder.encode)
        await builder.build_missing(clips, 2)
        assert [clip_id for clip_id, *_ in builder.failures] == [ClipId("film", "2")]
        assert str(error) in next(iter(builder.failures.values()))

    _run(scenario)
    assert "skipped clip film_2.wav" in caplog.text
    for clip in clips:
        if clip.id.cid != "2":
            assert same_reference(_store(tmp_path).read(clip), _reference(clip))
    with pytest.raises(EntryInvalid, match="missing"):
        _store(tmp_path).check(clips[2])


def test_a_clip_that_the_model_failed_on_once_may_be_asked_for_again(
    tmp_path: Path, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    encoder = _Encoder({"2": BatchError("MemoryError: none left")})

    async def scenario() -> None:
        builder = ReferenceBuilder("model", _store(tmp_path), encoder.encode)
        await builder.build_missing(clips, 2)
        assert builder.failures == {}

    _run(scenario)
    assert "skipped clip film_2.wav: MemoryError: none left" in caplog.text
    with pytest.raises(EntryInvalid, match="missing"):
        _store(tmp_path).check(clips[2])
    _store(tmp_path).check(clips[3])


def test_a_clip_that_vanishes_after_the_scan_is_left_out(tmp_path: Path, clips: list[Clip]) -> None:
    encoder = _Encoder()

    async def scenario() -> None:
        await ReferenceBuilder("model", _store(tmp_path), encoder.encode).build_missing(clips, 2)
        os.utime(path_of(clips[1]), ns=(0, 0))
        touched = rescanned(path_of(clips[1]))
        path_of(touched).unlink()
        builder = ReferenceBuilder("model", _store(tmp_path), _read_and_encode)
        await builder.build_missing([clips[0], touched, *clips[2:]], 2)
        assert [clip_id for clip_id, *_ in builder.failures] == [touched.id]

    _run(scenario)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EmptyAudio("Record again."), "the file is empty. Put a whole recording in its place"),
        (UndecodableAudio("Record again."), "no decoder finds sound in it. Put a whole"),
        (TooShortAudio("Record again."), "less sound than min_audio_seconds. Put a whole"),
        (TooLongAudio("Record again."), "max_audio_seconds. Cut it to the line, or raise that"),
        (DeviceMemoryError("Send a shorter one."), "too little memory for it. Cut it to the line"),
    ],
)
def test_the_operator_is_told_what_is_wrong_with_a_clip_not_with_a_recording(
    error: Exception, told: str
) -> None:
    text = ". ".join(complaint(error))
    assert told in text
    assert "ecord again" not in text
    assert "Send" not in text


def test_a_clip_of_silence_is_told_and_left_out(
    tmp_path: Path, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    async def encode(clip: Clip) -> Reference:
        reference = _reference(clip)
        level_db = np.full_like(reference.contours.level_db, -90.0 if clip == clips[2] else -30.0)
        return replace(reference, contours=replace(reference.contours, level_db=level_db))

    async def scenario() -> None:
        builder = ReferenceBuilder("model", _store(tmp_path), encode)
        await builder.build_missing(clips, 2)
        assert [clip_id for clip_id, *_ in builder.failures] == [clips[2].id]
        with pytest.raises(ReferenceMissing, match="film_2 is broken"):
            await builder.build_now(clips[2], EntryInvalid("missing"))

    _run(scenario)
    assert "skipped clip film_2.wav: there is nothing but silence in it" in caplog.text
    with pytest.raises(EntryInvalid, match="missing"):
        _store(tmp_path).check(clips[2])


@pytest.mark.parametrize(
    "error",
    [BatchError("RuntimeError: /srv/model: no"), DeviceMemoryError("Send a shorter recording.")],
)
def test_a_rebuild_on_which_the_model_fails_blames_no_recording(
    tmp_path: Path, clips: list[Clip], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = _Encoder({"1": error})

    async def scenario() -> None:
        builder = ReferenceBuilder("model", _store(tmp_path), encoder.encode)
        with pytest.raises(ReferenceMissing, match="clip film_1: ") as rejection:
            await builder.build_now(clips[1], EntryInvalid("missing"))
        assert str(error) not in str(rejection.value)

    _run(scenario)
    assert "skipped clip film_1.wav" in caplog.text


async def _read_and_encode(clip: Clip) -> Reference:
    path_of(clip).read_bytes()
    return _reference(clip)


def test_an_unwritable_cache_is_told_and_memory_serves(
    tmp_path: Path, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    store = _store(tmp_path)

    async def scenario() -> None:
        builder = ReferenceBuilder("model", store, _Encoder().encode)
        await builder.build_missing(clips, 2)
        assert builder.failures == {}

    _run(scenario)
    for clip in clips:
        assert same_reference(store.read(clip), _reference(clip))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == len(clips)
    assert "make the cache folder writable" in caplog.text


def test_a_lost_entry_is_rebuilt_on_demand(tmp_path: Path, clips: list[Clip]) -> None:
    store = _store(tmp_path)

    async def scenario() -> None:
        builder = ReferenceBuilder("model", store, _Encoder().encode)
        reference = await builder.build_now(clips[1], EntryInvalid("missing"))
        assert same_reference(reference, _reference(clips[1]))

    _run(scenario)
    assert same_reference(_store(tmp_path).read(clips[1]), _reference(clips[1]))
    assert store.remembered(clips[1]) is not None


def test_what_another_worker_builds_is_waited_for(tmp_path: Path, clips: list[Clip]) -> None:
    store, theirs = _store(tmp_path), _store(tmp_path)

    async def scenario() -> None:
        builder = ReferenceBuilder("model", store, _Encoder({"1": AssertionError()}).encode)
        with theirs.claim(clips[1]):
            asked = asyncio.create_task(builder.build_now(clips[1], EntryInvalid("missing")))
            await asyncio.sleep(0.1)
            theirs.write(clips[1], _reference(clips[1]))
            assert same_reference(await asked, _reference(clips[1]))

    _run(scenario)


def test_a_worker_that_is_stuck_is_not_waited_for_for_ever(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_PATIENCE_S", 0.1)
    store = _store(tmp_path)

    async def scenario() -> None:
        builder = ReferenceBuilder("model", store, _Encoder().encode)
        with _store(tmp_path).claim(clips[1]) as theirs:
            assert theirs
            await builder.build_now(clips[1], EntryInvalid("missing"))

    _run(scenario)
    assert store.remembered(clips[1]) is not None
    with pytest.raises(EntryInvalid, match="missing"):
        store.check(clips[1])


def test_a_rebuild_that_fails_says_so(tmp_path: Path, clips: list[Clip]) -> None:
    store = _store(tmp_path)
    encoder = _Encoder({"1": UndecodableAudio("no audio track")})

    async def scenario() -> None:
        builder = ReferenceBuilder("model", store, encoder.encode)
        with pytest.raises(ReferenceMissing, match="film_1 is broken"):
            await builder.build_now(clips[1], EntryInvalid("missing"))
        with store.claim(clips[1]) as mine:
            assert mine

    _run(scenario)
    assert store.remembered(clips[1]) is None


def test_a_clip_that_cannot_be_had_now_is_no_broken_clip(
    tmp_path: Path, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    encoder = _Encoder({"1": ClipUnreadable("The bucket is gone.")})
    builder = ReferenceBuilder("model", _store(tmp_path), encoder.encode)

    async def scenario() -> None:
        await builder.build_missing(clips, 2)
        with pytest.raises(LibraryUnavailable, match="gone"):
            await builder.build_now(clips[1], EntryInvalid("missing"))

    _run(scenario)
    assert encoder.encoded["1"] == 2
    assert builder.failures == {}
    # Its source tells once for all clips.
    assert "skipped" not in caplog.text
