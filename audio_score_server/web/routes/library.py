"""What can be asked for: models and clips."""

from __future__ import annotations

from fastapi import APIRouter

from audio_score_server.web.dependencies import Service
from audio_score_server.web.routes.health import model_answers
from audio_score_server.web.schemas import ClipResponse, ModelResponse

router = APIRouter(tags=["library"])


@router.get("/models", summary="The loaded models")
async def get_models(service: Service) -> list[ModelResponse]:
    """The loaded models; the first one scores requests that name none."""
    return model_answers(service)


@router.get("/clips", summary="The reference clips")
def get_clips(service: Service, uid: str | None = None) -> list[ClipResponse]:
    """The reference clips, of one video or of all."""
    return [
        ClipResponse(uid=clip.id.uid, cid=clip.id.cid, text=clip.text)
        for clip in service.clips()
        if uid is None or clip.id.uid == uid
    ]
