"""Takes jobs from the store, one at a time, while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from audio_score_server.errors import AudioScoreError, BatchError, NotReady, QueueFull
from audio_score_server.jobs.store import Job, JobStore

_LOG = logging.getLogger(__name__)
_POLL_S: Final = 5.0
"""How often jobs are looked for that another process took in, or died of."""
_FAILED: Final = "The model failed on this recording; the server's log says more."


class JobWorker:
    """Works on jobs in the background."""

    def __init__(self, store: JobStore, work: Callable[[Job], Awaitable[None]]) -> None:
        """``work``: does one job, and ends it unless it raises."""
        self._store, self._work = store, work
        self._news = asyncio.Event()

    def notify(self) -> None:
        """There is a new job."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled; what is under way then is left to the next one."""
        while True:
            job = await self._claim()
            if job is not None:
                await self._do(job)
                continue
            try:
                async with asyncio.timeout(_POLL_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()

    async def _claim(self) -> Job | None:
        try:
            return await asyncio.to_thread(self._store.claim)
        except OSError as error:
            _LOG.warning("Jobs cannot be taken: %s.", error)
            return None

    async def _do(self, job: Job) -> None:
        try:
            await self._work(job)
        except (asyncio.CancelledError, NotReady, QueueFull) as error:
            # The server stops, or has no time for it now.
            job.postpone()
            if isinstance(error, asyncio.CancelledError):
                raise
            await asyncio.sleep(_POLL_S)
        except AudioScoreError as error:
            detail = _FAILED if isinstance(error, BatchError) else str(error)
            job.fail(detail, error.code)
        except Exception:
            _LOG.exception("Job %s failed.", job.id)
            job.fail("The server has a fault; its log says more.", AudioScoreError.code)
        finally:
            job.release()
