"""Ray Serve: a proxy for HTTP, and a replica that decodes, forms batches and runs them.

A batch is closed when its wait is over, whether or not the device is free: those that wait for the
device are small. Requests under way, half of them at the replica and half at the proxy, and their
time are bounded.
"""

import asyncio
import signal
import sys
from importlib import import_module
from typing import Annotated, Any, Final

from fastapi import FastAPI, Form, UploadFile

from audio_score_server.domain import Encoding, Utterance
from audio_score_server.settings import Settings
from bench.measure import cores
from bench.serving_peers.work import HOST, Work, given_settings

ray: Any = import_module("ray")
serve: Any = import_module("ray.serve")
_STORE_BYTES: Final = 100 * 2**20
_NODE: Final = "127.0.0.2"
"""Ray takes 127.0.0.1 for a word that means the machine's address to others."""
app = FastAPI()


@serve.ingress(app)
class Scores:
    """The model and what belongs to one recording."""

    def __init__(self, settings: Settings) -> None:
        self._work = Work(settings)
        self._run.set_max_batch_size(settings.max_batch_size)
        self._run.set_batch_wait_timeout_s(settings.max_batch_wait_ms / 1000)

    @app.post("/score")
    async def post_score(
        self, uid: Annotated[str, Form()], cid: Annotated[str, Form()], audio: UploadFile
    ) -> dict[str, float]:
        """Score a recording."""
        data = await audio.read()
        task, utterance = await asyncio.to_thread(self._work.prepare, uid, cid, data)
        encoding: Encoding = await self._run(utterance)
        return await asyncio.to_thread(self._work.answer, task, encoding)

    @serve.batch  # type: ignore[untyped-decorator]
    async def _run(self, utterances: list[Utterance[Any]]) -> list[Encoding]:
        return await asyncio.to_thread(self._work.run, utterances)


def main(settings: Settings, folder: str) -> None:
    """Serve until told to stop.

    Args:
        settings: limits, and where to listen.
        folder: for Ray's own files; a short name, since sockets are in it.
    """
    ray.init(
        num_cpus=cores(),
        include_dashboard=False,
        object_store_memory=_STORE_BYTES,
        _node_ip_address=_NODE,
        _temp_dir=folder,
    )
    serve.start(
        http_options={
            "host": HOST,
            "port": settings.server_port,
            "request_timeout_s": settings.request_timeout_s,
        }
    )
    deployment = serve.deployment(
        max_ongoing_requests=settings.max_inflight // 2,
        max_queued_requests=settings.max_inflight // 2,
        ray_actor_options={"num_cpus": cores()},
    )(Scores)
    serve.run(deployment.bind(settings), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(given_settings(), sys.argv[1])
