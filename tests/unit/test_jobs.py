"""Jobs: kept in files, done once, by whoever is free; nothing is lost with a worker."""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from audio_score_server.errors import NotReady, QueueFull, UndecodableAudio, UnknownJob
from audio_score_server.jobs.store import Job, JobStore
from audio_score_server.jobs.worker import JobWorker

_REQUEST = {"model": None}


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    """Empty, with room for three."""
    return JobStore(tmp_path / "jobs", most=3, kept_s=3_600.0)


def _add(store: JobStore, data: bytes = b"sound") -> str:
    return store.add(io.BytesIO(data), _REQUEST)


def _claimed(store: JobStore) -> Job:
    job = store.claim()
    assert job is not None
    return job


def test_a_job_goes_from_queued_to_its_result(store: JobStore) -> None:
    job_id = _add(store)
    assert store.status(job_id).state == "queued"
    job = _claimed(store)
    assert job.id == job_id
    assert job.request() == _REQUEST
    with job.recording() as file:
        assert file.read() == b"sound"
    job.progress(2.0, 5.0)
    status = store.status(job_id)
    assert (status.state, status.done_s, status.total_s) == ("running", 2.0, 5.0)
    assert store.result(job_id) is None
    job.succeed({"text": "hello"}, 5.0)
    job.release()
    assert store.status(job_id).state == "succeeded"
    assert store.result(job_id) == {"text": "hello"}
    assert store.claim() is None


def test_the_recording_is_not_kept_longer_than_the_work(store: JobStore, tmp_path: Path) -> None:
    _add(store)
    _claimed(store).fail("It is damaged.", "audio_undecodable")
    assert not list(tmp_path.rglob("recording"))


def test_two_workers_never_have_the_same_job(store: JobStore) -> None:
    first, second = _add(store), _add(store)
    jobs = [_claimed(store), _claimed(store)]
    assert [job.id for job in jobs] == [first, second]
    assert store.claim() is None


def _claim_and_die(folder: Path) -> None:
    assert JobStore(folder, 3, 3_600.0).claim() is not None
    os._exit(9)


def test_a_job_whose_worker_dies_is_taken_up_once_more_and_no_more(
    store: JobStore, tmp_path: Path
) -> None:
    job_id = _add(store)
    for _ in range(2):
        process = multiprocessing.get_context("spawn").Process(
            target=_claim_and_die, args=(tmp_path / "jobs",)
        )
        process.start()
        process.join()
        assert process.exitcode == 9
        assert store.status(job_id).state == "running"
    assert store.claim() is None
    status = store.status(job_id)
    assert (status.state, status.code) == ("failed", "model_failed")


def test_a_job_can_be_cancelled_and_forgotten(store: JobStore) -> None:
    waiting, running = _add(store), _add(store)
    store.cancel(waiting)
    job = _claimed(store)
    assert job.id == running
    assert store.status(waiting).state == "cancelled"
    store.cancel(running)
    assert job.cancelled
    job.cancel()
    job.release()
    store.cancel(running)
    with pytest.raises(UnknownJob):
        store.status(running)


@pytest.mark.parametrize("job_id", ["", "..", "../../etc", "f" * 32, "F" * 32, "x" * 10_000])
def test_a_job_that_is_not_there_is_unknown(store: JobStore, job_id: str) -> None:
    with pytest.raises(UnknownJob):
        store.status(job_id)


def test_no_more_are_kept_than_may_wait(store: JobStore) -> None:
    for _ in range(3):
        _add(store)
    with pytest.raises(QueueFull):
        _add(store)


def test_jobs_that_ended_long_ago_are_forgotten(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs", most=3, kept_s=0.0)
    job_id = _add(store)
    job = _claimed(store)
    job.succeed({}, 1.0)
    job.release()
    store.expire()
    with pytest.raises(UnknownJob):
        store.status(job_id)


class _FullDisk(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(28, "No space left on device")


def test_nothing_is_left_of_a_job_that_cannot_be_kept(store: JobStore, tmp_path: Path) -> None:
    file: BinaryIO = _FullDisk()
    with pytest.raises(OSError, match="No space"):
        store.add(file, _REQUEST)
    assert not list((tmp_path / "jobs").iterdir())


def _run(store: JobStore, work: Any, until: Any) -> None:
    async def scenario() -> None:
        worker = JobWorker(store, work)
        task = asyncio.create_task(worker.run())
        async with asyncio.timeout(10):
            while not until():
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_a_worker_does_one_job_after_the_other(store: JobStore) -> None:
    jobs = [_add(store) for _ in range(3)]

    async def work(job: Job) -> None:
        job.succeed({"id": job.id}, 1.0)

    _run(store, work, lambda: store.result(jobs[-1]) is not None)
    assert [store.result(job) for job in jobs] == [{"id": job} for job in jobs]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UndecodableAudio("It is damaged."), "audio_undecodable"),
        (ValueError("x"), "internal_error"),
    ],
)
def test_a_job_that_fails_tells_why(store: JobStore, error: Exception, code: str) -> None:
    job_id = _add(store)

    async def work(job: Job) -> None:
        raise error

    _run(store, work, lambda: store.status(job_id).state == "failed")
    assert store.status(job_id).code == code


def test_a_job_under_way_is_left_to_the_next_process_when_the_server_stops(
    store: JobStore,
) -> None:
    job_id = _add(store)

    async def work(job: Job) -> None:
        await asyncio.sleep(100)

    _run(store, work, lambda: store.status(job_id).state == "running")
    status = store.status(job_id)
    assert (status.state, status.attempts) == ("queued", 0)


def test_a_server_that_is_not_ready_puts_a_job_off(store: JobStore) -> None:
    job_id = _add(store)

    async def work(job: Job) -> None:
        raise NotReady("The server is starting.")

    _run(store, work, lambda: store.status(job_id).state == "queued")
