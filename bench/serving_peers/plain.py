"""A FastAPI endpoint that scores one recording at a time, as one first writes it.

Recordings are decoded and compared in Starlette's pool of threads; a lock keeps them apart on the
device. Nothing is bounded.
"""

from __future__ import annotations

import threading
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Form, UploadFile

from bench.serving_peers.work import HOST, Work, given_settings


def make_app(work: Work) -> FastAPI:
    """The application."""
    app = FastAPI()
    device = threading.Lock()

    @app.post("/score")
    def post_score(
        uid: Annotated[str, Form()], cid: Annotated[str, Form()], audio: UploadFile
    ) -> dict[str, float]:
        task, utterance = work.prepare(uid, cid, audio.file.read())
        with device:
            (encoding,) = work.run([utterance])
        return work.answer(task, encoding)

    return app


if __name__ == "__main__":
    settings = given_settings()
    uvicorn.run(make_app(Work(settings)), host=HOST, port=settings.server_port)
