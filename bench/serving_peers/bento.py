"""BentoML: a service for HTTP, and behind it one with the model, which forms batches.

Two services, each in a process of its own, are what its documentation teaches for inputs that are
more than one list. It has no fixed wait: it learns one from the load, within the deadline. Requests
under way and their time are bounded.
"""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio

from audio_score_server.domain import Encoding
from bench.serving_peers.work import Work, given_settings

bentoml: Any = import_module("bentoml")
_SETTINGS = given_settings()
_BATCHES = {
    "batchable": True,
    "max_batch_size": _SETTINGS.max_batch_size,
    "max_latency_ms": round(1000 * _SETTINGS.request_timeout_s),
}
_CONNECTION = {"max_requests": 1_000_000_000, "max_age": 1e9}
"""By default it drops its connections to the model every 100 requests, with what is under way."""
_TRAFFIC = {"timeout": _SETTINGS.request_timeout_s, "max_concurrency": _SETTINGS.max_inflight}


@bentoml.service(traffic={"timeout": _SETTINGS.request_timeout_s}, runner_connection=_CONNECTION)
class Device:
    """The model."""

    def __init__(self) -> None:
        self._work = Work(_SETTINGS)

    @bentoml.api(**_BATCHES)  # type: ignore[untyped-decorator]
    def run(self, pickled: list[bytes]) -> list[bytes]:
        """Run a batch; pickled, since BentoML makes dictionaries of objects it does not know."""
        return list(map(pickle.dumps, self._work.run(list(map(pickle.loads, pickled)))))


@bentoml.service(traffic=_TRAFFIC)
class Score:
    """HTTP, and what belongs to one recording."""

    device = bentoml.depends(Device)

    def __init__(self) -> None:
        self._work = Work(_SETTINGS)

    @bentoml.api(route="/score")  # type: ignore[untyped-decorator]
    async def score(self, uid: str, cid: str, audio: Path) -> dict[str, float]:
        """Score a recording."""
        in_thread = anyio.to_thread.run_sync
        task, utterance = await in_thread(self._work.prepare, uid, cid, audio.read_bytes())
        (pickled,) = await self.device.to_async.run([pickle.dumps(utterance)])
        encoding: Encoding = pickle.loads(pickled)
        return await in_thread(self._work.answer, task, encoding)
