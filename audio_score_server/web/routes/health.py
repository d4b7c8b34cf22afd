"""Whether the server lives, is ready, and what it is made of."""

from __future__ import annotations

import asyncio
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from fastapi import APIRouter, Request

from audio_score_server import __version__
from audio_score_server.checkpoints.locate import are_present
from audio_score_server.checkpoints.required import checkpoints_of
from audio_score_server.errors import NotReady
from audio_score_server.scoring.version import SCORE_VERSION
from audio_score_server.service import ScoreService
from audio_score_server.settings import ModelSettings, Settings
from audio_score_server.web.dependencies import Service
from audio_score_server.web.schemas import (
    ErrorResponse,
    HealthResponse,
    ModelHealthResponse,
    ModelResponse,
    StateResponse,
)

router = APIRouter(tags=["health"])
ModelState = Literal["loading", "ready", "unloaded", "failed"]
Files = Literal["present", "missing"]
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
async def get_health(request: Request, service: Service) -> HealthResponse:
    """State, models, number of clips, versions and uptime."""
    settings: Settings = request.app.state.settings
    return HealthResponse(
        status=service.state,
        models=await asyncio.to_thread(_model_states, settings, service),
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


def _model_states(settings: Settings, service: ScoreService) -> list[ModelHealthResponse]:
    """Every model of the settings, in their order."""
    loaded = {model.key: model for model in service.models()}
    chosen = [model for model in settings.chosen_models() if _fits(model)]
    answers = []
    for model in settings.models:
        own = loaded.get(model.key)
        if service.state == "starting" and model in chosen:
            state: ModelState = "loading"
        else:
            state = "ready" if own else "failed" if model in chosen else "unloaded"
        answers.append(
            ModelHealthResponse(
                key=model.key,
                state=state,
                files=_files(model, settings),
                device=own.info.device if own else None,
                default=model.key == next(iter(loaded), None),
            )
        )
    return answers


def _fits(model: ModelSettings) -> bool:
    """Whether it is not for other machines than this one."""
    # Imported here: whoever has loaded models has loaded it long since.
    import torch

    return model.only_on != "cuda" or torch.cuda.is_available()


def _files(model: ModelSettings, settings: Settings) -> Files | None:
    checkpoints = checkpoints_of(model)
    if not checkpoints:
        return None
    return "present" if are_present(checkpoints, settings.models_dir) else "missing"


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
