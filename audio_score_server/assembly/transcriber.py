"""One model that writes recordings down, without a library or a server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import torch

from audio_score_server.assembly.models import PHONE_MODEL, load_model
from audio_score_server.assembly.pipelines import Surroundings, build_local
from audio_score_server.errors import NoModelError
from audio_score_server.pipelines.protocol import TranscriptionModel
from audio_score_server.pipelines.transcription import TranscribingPipeline
from audio_score_server.runners.registry import Loader
from audio_score_server.settings import Settings
from audio_score_server.telemetry.metrics import Metrics


@asynccontextmanager
async def transcriber(settings: Settings, key: str | None) -> AsyncIterator[TranscriptionModel]:
    """One model that writes recordings down, without a library or a server.

    Args:
        settings: name it.
        key: of the model; None for the first that can.

    Raises:
        NoModelError: it cannot be loaded, or writes nothing down.
    """
    threads = settings.cpu_threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    loader = Loader(settings)
    chosen = [model for model in settings.models if key in (None, model.key)]
    with ThreadPoolExecutor(threads, thread_name_prefix="cpu") as pool:
        around = Surroundings(settings, pool, Metrics())
        for model in chosen:
            loaded = None if model.hears_phones else load_model(model, settings, loader)
            if loaded is None or getattr(loaded.part, "recognizer", None) is None:
                continue
            phones = load_model(PHONE_MODEL, settings, loader)
            helper = build_local(PHONE_MODEL, phones.part, around, None) if phones else None
            pipeline = build_local(model, loaded.part, around, helper)
            assert isinstance(pipeline, TranscribingPipeline)
            try:
                yield pipeline
            finally:
                await pipeline.close()
                if helper is not None:
                    await helper.close()
            return
    keys = ", ".join(model.key for model in settings.models)
    raise NoModelError(
        f"Model {key!r} cannot transcribe or is not there; the settings have: {keys}."
        if key
        else "No model of the settings can transcribe: add one of type whisper to config.json."
    )
