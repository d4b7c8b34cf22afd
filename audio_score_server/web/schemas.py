"""The JSON of answers, with examples for the documentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from audio_score_server.pipelines.protocol import ReferenceState
from audio_score_server.web.detail import DetailResponse, TimeSpanResponse

Similarity = Annotated[float, Field(ge=0, le=1)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ScoreResponse(_Answer):
    """How close the recording came; each score from 0 to 1."""

    model: str = Field(description="Key of the model that was used.", examples=["phones"])
    sim_score: Similarity = Field(description="Average of the two others.", examples=[0.83])
    audio_sim_score: Similarity = Field(
        description="Likeness of the encoder features.", examples=[0.78]
    )
    text_sim_score: Similarity = Field(description="Likeness of the transcripts.", examples=[0.88])
    detail: DetailResponse | None = Field(
        default=None, description="Only where `detail=full` asked for it."
    )


class PairResponse(_Answer):
    """How close one recording came to one clip; each score from 0 to 1."""

    uid: str = Field(description="Video id.", examples=["RiverTales-s01e01"])
    cid: str = Field(description="Clip id.", examples=["part01"])
    audio: int = Field(description="Index of the recording, from 0 on.")
    sim_score: Similarity = Field(description="Average of the two others.", examples=[0.83])
    audio_sim_score: Similarity = Field(
        description="Likeness of the encoder features.", examples=[0.78]
    )
    text_sim_score: Similarity = Field(description="Likeness of the transcripts.", examples=[0.88])


class ScoresResponse(_Answer):
    """Several scores, the best first."""

    model: str = Field(description="Key of the model that was used.", examples=["phones"])
    scores: list[PairResponse]
    searched: int = Field(
        default=0,
        description="Where no clip was named: among how many clips the recording was looked for. "
        "Those that are new are found seconds later.",
    )


class ErrorResponse(_Answer):
    """What went wrong and what to do about it."""

    detail: str = Field(description="For people.")
    code: str = Field(description="For programs; stable.", examples=["unknown_clip"])


class StateResponse(_Answer):
    """One word about the server."""

    status: str = Field(examples=["ready"])


class ModelResponse(_Answer):
    """A loaded model."""

    key: str = Field(description="What requests call it.", examples=["phones"])
    device: str = Field(description="Where it runs.", examples=["cpu"])
    default: bool = Field(description="Whether it scores requests that name no model.")


class ModelHealthResponse(_Answer):
    """A model of the settings, loaded or not."""

    key: str = Field(description="What requests call it.", examples=["phones"])
    state: Literal["loading", "ready", "unloaded", "failed"] = Field(
        description="`unloaded` where the settings leave it out; the log says why one has failed."
    )
    files: Literal["present", "missing"] | None = Field(
        description="Whether its checkpoint is on this machine; null where it has none."
    )
    device: str | None = Field(description="Where it runs; null where it does not.")
    default: bool = Field(description="Whether it scores requests that name no model.")


class ClipSummaryResponse(_Answer):
    """A reference clip."""

    uid: str = Field(description="Video id.", examples=["RiverTales-s01e01"])
    cid: str = Field(description="Clip id.", examples=["part01"])
    text: str | None = Field(description="What is said in it, where a text file tells.")
    etag: str = Field(description="Changes with the clip.", examples=['"0f3a9c"'])


class ClipModelResponse(_Answer):
    """A clip as one model has it."""

    state: ReferenceState = Field(
        description="`ready` to be compared with, `pending` until it is asked for, or `failed`: "
        "the server's log says why."
    )


class ClipResponse(ClipSummaryResponse):
    """A reference clip in full."""

    media_type: str = Field(description="Of its file.", examples=["video/quicktime"])
    size_bytes: int = Field(description="Of its file.")
    duration_s: float | None = Field(description="Of its sound; null until a model has heard it.")
    language: str | None = Field(description="Code; null where no model has found out.")
    models: dict[str, ClipModelResponse] = Field(description="By key of each model that scores.")


class ClipWordResponse(BaseModel):
    """A word of a clip's text."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    text: str = Field(description="As in the clip's text.", examples=["boat"])
    reference: TimeSpanResponse | None = Field(
        description="Where it is in the clip; null where it is not heard there."
    )


class ClipTextRequest(_Answer):
    """A clip's new text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = Field(description="What is said in it; null for no text.", max_length=5_000)


class HealthResponse(_Answer):
    """The server as a whole."""

    status: str = Field(examples=["ready"])
    models: list[ModelHealthResponse]
    clips: int = Field(description="Number of reference clips.")
    versions: dict[str, str] = Field(description="Of this server and of what it stands on.")
    uptime_s: float = Field(description="Seconds since start.")
