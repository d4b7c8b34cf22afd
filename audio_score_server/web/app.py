"""The ASGI application."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline

from audio_score_server import __version__
from audio_score_server.batch_score_service import BatchScoreService
from audio_score_server.errors import AudioScoreError, QueueFull
from audio_score_server.fetching.policy import FetchPolicy
from audio_score_server.jobs.store import JobStore
from audio_score_server.jobs.worker import JobWorker
from audio_score_server.library_service import LibraryService
from audio_score_server.paths import JOBS_FOLDER
from audio_score_server.service import ScoreService
from audio_score_server.service_parts import decode_limits
from audio_score_server.settings import Settings
from audio_score_server.studio.assets import Studio
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.tracing import start_tracing
from audio_score_server.transcription_service import TranscriptionService
from audio_score_server.web.access_log import AccessLogMiddleware
from audio_score_server.web.authentication import Authenticator
from audio_score_server.web.bounds import RequestBounds
from audio_score_server.web.errors import install_error_handlers
from audio_score_server.web.families import build_families
from audio_score_server.web.head import HeadAsGet
from audio_score_server.web.routes import (
    clip_changes,
    clip_media,
    clips,
    health,
    jobs,
    openai,
    score,
    scores,
    transcribe,
    transcribe_url,
)
from audio_score_server.web.routes import metrics as metrics_route
from audio_score_server.web.routes.studio import studio_router
from audio_score_server.web.transcription_jobs import TranscriptionWork

_LOG = logging.getLogger(__name__)
_ABOUT = (
    "Compares a voice recording with a reference clip. `audio_sim_score` compares encoder "
    "features, `text_sim_score` transcripts; `sim_score` is their average. It also transcribes "
    "recordings of any length, and tells when each word is said."
)

_REQUEST_HEADERS: Final = (
    *("Authorization", "X-Request-Id", "X-Request-Timeout-Ms"),
    *("If-Match", "If-None-Match", "If-Range", "Range"),
)
_RESPONSE_HEADERS: Final = (
    *("Retry-After", "Server-Timing", "X-Request-Id"),
    *("ETag", "Link", "X-Total-Count", "Content-Range", "Accept-Ranges"),
)
"""What pages of other origins may send and read."""

OnFailure = Callable[[BaseException], None]
BuildService = Callable[[Settings, Metrics], ScoreService]


def create_app(settings: Settings, build_service: BuildService, on_failure: OnFailure) -> FastAPI:
    """The application; the service starts with it, in the background.

    Args:
        settings: limits of requests.
        build_service: makes the service when the application starts.
        on_failure: called with the reason when the service cannot start or go on, after it was
            logged.

    Raises:
        SettingsError: the API keys cannot be read any more.
    """
    # FastAPIOffline brings the documentation's scripts along: the page works without a network.
    app = FastAPIOffline(
        title="Audio Score Server",
        version=__version__,
        description=_ABOUT,
        redirect_slashes=False,
        lifespan=_lifespan(settings, build_service, on_failure),
    )
    app.state.settings = settings
    app.state.metrics = metrics = Metrics()
    families = build_families(
        settings, partial(_overloaded, app), partial(_transcription_overloaded, app)
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        RequestBounds,
        authenticator=Authenticator.of(settings, families),
        families=families,
    )
    if settings.cors_origins:
        _add_cors(app, settings)
    app.state.tracing = tracing = start_tracing(os.environ)
    app.add_middleware(AccessLogMiddleware, families=families, metrics=metrics, tracing=tracing)
    install_error_handlers(app)
    # For the documentation page, which then asks for the key; the door has let nobody else in.
    keys = settings.api_keys_file or settings.admin_keys_file
    asking = [Depends(HTTPBearer(auto_error=False))] if keys else []
    for module in (
        *(score, scores, transcribe, transcribe_url, jobs, openai),
        *(clips, clip_media, clip_changes, health, metrics_route),
    ):
        app.include_router(module.router, dependencies=[] if module is health else asking)
    if settings.studio:
        app.include_router(studio_router(Studio.load()))
    first = "/studio" if settings.studio else "/docs"
    app.add_api_route("/", partial(_redirect, first), include_in_schema=False)
    return app


def _add_cors(app: FastAPI, settings: Settings) -> None:
    """Around the authenticator: a browser asks beforehand, and without the key."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_RESPONSE_HEADERS,
    )


def _overloaded(app: FastAPI) -> QueueFull | None:
    service: ScoreService = app.state.service
    return service.overloaded()


def _transcription_overloaded(app: FastAPI) -> QueueFull | None:
    service: TranscriptionService = app.state.transcriptions
    return service.overloaded()


async def _redirect(to: str) -> RedirectResponse:
    return RedirectResponse(to)


def _lifespan(
    settings: Settings, build_service: BuildService, on_failure: OnFailure
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = build_service(settings, app.state.metrics)
        service.on_failure = on_failure
        app.state.transcriptions = transcriptions = TranscriptionService(
            service, settings.max_transcriptions, settings.transcription_timeout_s
        )
        app.state.library = LibraryService(service, decode_limits(settings))
        app.state.batch_scores = BatchScoreService(service, settings.request_timeout_s)
        app.state.fetch_policy = FetchPolicy(
            settings.transcribe_url_hosts,
            settings.max_transcription_bytes,
            settings.transcription_timeout_s,
        )
        app.state.jobs = jobs = JobStore(
            settings.cache_dir / JOBS_FOLDER, settings.max_jobs, settings.jobs_kept_s
        )
        app.state.job_worker = worker = JobWorker(jobs, TranscriptionWork(transcriptions))
        start = asyncio.create_task(_start(service, worker, on_failure))
        yield
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        await service.close()
        if app.state.tracing is not None:
            await asyncio.to_thread(app.state.tracing.close)

    return lifespan


async def _start(service: ScoreService, worker: JobWorker, on_failure: OnFailure) -> None:
    """Start the service; then do jobs until the application stops."""
    try:
        await service.start()
    except AudioScoreError as error:
        _LOG.critical("Cannot start: %s", error)
        on_failure(error)
    except Exception as error:
        _LOG.critical("Cannot start.", exc_info=True)
        on_failure(error)
    else:
        await worker.run()
