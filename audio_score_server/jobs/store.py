"""Jobs in a folder that all workers of a machine share.

A job is a folder: the recording, what is asked of it, its state, and at last its result. Whoever
works on one holds a lock on a file in it, which the operating system takes back from a process that
dies: then another one goes on with it. States appear by a rename, so that nobody reads half of one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from filelock import FileLock, Timeout

from audio_score_server.errors import QueueFull, UnknownJob, shortened

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED: Final[tuple[JobState, ...]] = ("succeeded", "failed", "cancelled")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_RECORDING, _REQUEST, _STATE, _RESULT = "recording", "request.json", "state.json", "result.json"
_LOCK, _CANCELLED = "lock", "cancelled"
_MOST_ATTEMPTS: Final = 2
"""A recording that kills whoever works on it is tried once more, not by everybody."""
_RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is.

    Attributes:
        state: queued until a worker takes it, running until it has ended.
        created_at: seconds since 1970.
        ended_at: like ``created_at``; None before.
        done_s: seconds of the recording that are done.
        total_s: how long it is; None until it is known.
        attempts: how often a worker has begun.
        detail: why it failed, for people.
        code: why it failed, for programs.
    """

    state: JobState
    created_at: float
    ended_at: float | None = None
    done_s: float = 0.0
    total_s: float | None = None
    attempts: int = 0
    detail: str | None = None
    code: str | None = None


class Job:
    """A job that this process works on; to be released."""

    def __init__(self, folder: Path, lock: FileLock, status: JobStatus) -> None:
        self.id = folder.name
        self.status = status
        self._folder, self._lock = folder, lock

    def request(self) -> dict[str, Any]:
        """What is asked."""
        request: dict[str, Any] = json.loads((self._folder / _REQUEST).read_bytes())
        return request

    def recording(self) -> BinaryIO:
        """The recording, to be closed."""
        return (self._folder / _RECORDING).open("rb")

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants it any more."""
        return (self._folder / _CANCELLED).exists()

    def progress(self, done_s: float, total_s: float | None) -> None:
        """Tell how far it is."""
        self._put(replace(self.status, done_s=done_s, total_s=total_s))

    def succeed(self, result: dict[str, Any], seconds: float) -> None:
        """End it with a result."""
        _write(self._folder / _RESULT, result)
        self._end(replace(self.status, state="succeeded", done_s=seconds, total_s=seconds))

    def fail(self, detail: str, code: str) -> None:
        """End it without one."""
        self._end(replace(self.status, state="failed", detail=detail, code=code))

    def cancel(self) -> None:
        """End it since nobody wants it."""
        self._end(replace(self.status, state="cancelled"))

    def postpone(self) -> None:
        """Leave it to whoever is next, as if it had not been begun."""
        attempts = self.status.attempts - 1
        self._put(replace(self.status, state="queued", done_s=0.0, attempts=attempts))

    def release(self) -> None:
        """Let others have it."""
        self._lock.release()

    def _end(self, status: JobStatus) -> None:
        self._put(replace(status, ended_at=time.time()))
        (self._folder / _RECORDING).unlink(missing_ok=True)

    def _put(self, status: JobStatus) -> None:
        self.status = status
        _write(self._folder / _STATE, asdict(status))


class JobStore:
    """The jobs in a folder."""

    def __init__(self, folder: Path, most: int, kept_s: float) -> None:
        """``most``: jobs that wait or run; ``kept_s``: for how long those that have ended stay."""
        self._folder, self._most, self._kept_s = folder, most, kept_s

    def add(self, file: BinaryIO, request: dict[str, Any]) -> str:
        """Keep a recording and what is asked of it; the job's id.

        Raises:
            QueueFull: as many jobs as may be wait already.
            OSError: it cannot be kept; nothing of it is left then.
        """
        self.expire()
        waiting = sum(status.state not in ENDED for _, status in self._all())
        if waiting >= self._most:
            raise QueueFull(waiting, _RETRY_S)
        job = self._folder / uuid.uuid4().hex
        scratch = job.with_suffix(".new")
        scratch.mkdir(parents=True)
        try:
            with (scratch / _RECORDING).open("wb") as kept:
                shutil.copyfileobj(file, kept, 2**20)
            _write(scratch / _REQUEST, request)
            _write(scratch / _STATE, asdict(JobStatus("queued", time.time())))
            scratch.rename(job)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        return job.name

    def status(self, job_id: str) -> JobStatus:
        """How far a job is.

        Raises:
            UnknownJob: there is none of this id.
        """
        status = _status(self._folder / job_id) if _ID.fullmatch(job_id) else None
        if status is None:
            raise UnknownJob(
                f"There is no job {shortened(job_id)!r}. Jobs are kept for "
                f"{self._kept_s / 3600:g} hours after they end."
            )
        return status

    def result(self, job_id: str) -> dict[str, Any] | None:
        """What came of a job; None unless it has succeeded.

        Raises:
            UnknownJob: there is none of this id.
        """
        if self.status(job_id).state != "succeeded":
            return None
        result: dict[str, Any] = json.loads((self._folder / job_id / _RESULT).read_bytes())
        return result

    def cancel(self, job_id: str) -> None:
        """Have a job ended, or forget one that has ended.

        Raises:
            UnknownJob: there is none of this id.
        """
        if self.status(job_id).state in ENDED:
            shutil.rmtree(self._folder / job_id, ignore_errors=True)
        else:
            (self._folder / job_id / _CANCELLED).touch()

    def claim(self) -> Job | None:
        """The oldest job that nobody works on; None where there is none."""
        for folder, status in sorted(self._all(), key=lambda each: each[1].created_at):
            if status.state in ENDED:
                continue
            lock = FileLock(folder / _LOCK, timeout=0, thread_local=False, is_singleton=False)
            try:
                lock.acquire()
            except (Timeout, OSError):
                continue
            job = self._begun(folder, lock)
            if job is not None:
                return job
            lock.release()
        return None

    def expire(self) -> None:
        """Forget jobs that ended long ago."""
        for folder, status in self._all():
            if status.ended_at is not None and time.time() - status.ended_at > self._kept_s:
                shutil.rmtree(folder, ignore_errors=True)

    def _begun(self, folder: Path, lock: FileLock) -> Job | None:
        """A job that is now this process's; None where it has ended meanwhile, or now does."""
        status = _status(folder)
        if status is None or status.state in ENDED:
            return None
        job = Job(folder, lock, replace(status, state="running", attempts=status.attempts + 1))
        if job.cancelled:
            job.cancel()
        elif status.attempts >= _MOST_ATTEMPTS:
            job.fail("The server ended twice while it was at this recording.", "model_failed")
        else:
            job.progress(0.0, None)
            return job
        return None

    def _all(self) -> Iterator[tuple[Path, JobStatus]]:
        with suppress(FileNotFoundError):
            for folder in self._folder.iterdir():
                status = _status(folder) if _ID.fullmatch(folder.name) else None
                if status is not None:
                    yield folder, status


def _status(folder: Path) -> JobStatus | None:
    try:
        return JobStatus(**json.loads((folder / _STATE).read_bytes()))
    except (OSError, ValueError, TypeError):
        # Gone meanwhile, or of another version.
        return None


def _write(path: Path, value: dict[str, Any]) -> None:
    """Put a value in place at once."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    os.replace(scratch, path)
