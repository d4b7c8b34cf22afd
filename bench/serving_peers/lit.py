"""LitServe: a process for HTTP, and one with the model, which forms batches.

What belongs to one recording is done in a pool of threads, as its documentation advises; it is done
between batches all the same. Requests past the deadline are told so; their number is not bounded.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from fastapi import Request

from audio_score_server.domain import Encoding
from audio_score_server.settings import Settings
from bench.measure import cores
from bench.serving_peers.work import HOST, Job, Task, Work, given_settings

litserve: Any = import_module("litserve")


class Api(litserve.LitAPI):  # type: ignore[misc]  # which may be missing here
    """The model in its process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            max_batch_size=settings.max_batch_size,
            batch_timeout=settings.max_batch_wait_ms / 1000,
            api_path="/score",
        )
        self._settings = settings

    def setup(self, device: str) -> None:
        """Load everything."""
        self._work = Work(self._settings)
        self._pool = ThreadPoolExecutor(cores())

    def decode_request(self, request: Request) -> Any:
        """The form as it came, which is what LitServe makes of such a request."""
        return request

    def batch(self, inputs: list[Any]) -> list[Job]:
        """Decode every recording."""
        return list(self._pool.map(self._prepared, inputs))

    def _prepared(self, form: Any) -> Job:
        return self._work.prepare(form["uid"], form["cid"], form["audio"].file.read())

    def predict(self, x: list[Job]) -> list[tuple[Task, Encoding]]:
        """Run the batch."""
        encodings = self._work.run([utterance for _, utterance in x])
        return [(job[0], encoding) for job, encoding in zip(x, encodings, strict=True)]

    def unbatch(self, output: list[tuple[Task, Encoding]]) -> list[dict[str, float]]:
        """Compare every recording."""
        return list(self._pool.map(lambda pair: self._work.answer(*pair), output))

    def encode_response(self, output: dict[str, float]) -> dict[str, float]:
        """The answer as it stands."""
        return output


if __name__ == "__main__":
    settings = given_settings()
    server = litserve.LitServer(
        Api(settings), accelerator="cpu", timeout=settings.request_timeout_s
    )
    server.run(host=HOST, port=settings.server_port, generate_client_file=False)
