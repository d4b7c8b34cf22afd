"""Whether the server lives, is ready, and what it is made of."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fastapi import APIRouter

from audio_score_server import __version__
from audio_score_server.errors import NotReady
from audio_score_server.scoring.version import SCORE_VERSION
from audio_score_server.service import ScoreService
from audio_score_server.web.dependencies import Service
from audio_score_server.web.schemas import (
    ErrorResponse,
    HealthResponse,
    ModelResponse,
    StateResponse,
)

router = APIRouter(tags=["health"])
_FOUNDATIONS: Final = ("torch", "torchaudio", "transformers", "av")


@router.get("/health/live", summary="Whether the process answers")
async def get_live() -> StateResponse:
    """The process answers. A server that is still loading is alive."""
    return StateResponse(status="alive")


@router.get(
    "/health/ready",
    summary="Whether to send requests",
    responses={503: {"model": ErrorResponse, "description": "Not ready yet."}},
)
async def get_ready(service: Service) -> StateResponse:
    """The models are warm and the cache is complete: send requests."""
    if service.state != "ready":
        raise NotReady(f"The server is {service.state}.")
    if service.health_error is not None:
        raise NotReady(f"The server is unhealthy: {service.health_error}.")
    return StateResponse(status="ready")


@router.get("/health", summary="The server as a whole")
async def get_health(service: Service) -> HealthResponse:
    """State, models, number of clips, versions and uptime."""
    return HealthResponse(
        status=service.state,
        models=model_answers(service),
        clips=len(service.clips()),
        versions=_versions(),
        uptime_s=round(service.uptime_s, 1),
    )


def model_answers(service: ScoreService) -> list[ModelResponse]:
    """The loaded models, the default first."""
    return [
        ModelResponse(key=pipeline.key, device=pipeline.info.device, default=index == 0)
        for index, pipeline in enumerate(service.models())
    ]


@cache
def _versions() -> dict[str, str]:
    versions = {
        "audio-score-server": __version__,
        "score": SCORE_VERSION,
        "python": platform.python_version(),
    }
    for name in _FOUNDATIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
