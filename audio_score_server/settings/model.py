"""What can be set, with types, bounds and defaults.

A field's name is its key in ``config.json``; ``AUDIO_SCORE_`` and the name in capitals is its
environment variable. The descriptions are the text of ``--help`` and of the README's table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from audio_score_server.api_keys import ApiKeys
from audio_score_server.errors import SettingsError

AUXILIARY_KEY: Final = "phones-auxiliary"
"""Key of the phone encoder that is loaded beside models that hear none."""
_DEVICE: Final = r"^(auto|cpu|cuda|cuda:\d+)$"
Device = Annotated[str, Field(pattern=_DEVICE)]
AudioFeatures = Literal["auto", "own", "phones"]
Dtype = Literal["auto", "float32", "float16", "bfloat16", "int8"]
SYSTEM_PROMPT: Final = (
    "You judge how closely a person's recording performs a short reference clip. You hear the "
    "reference first, then the recording. You answer with one JSON object and nothing else."
)
USER_PROMPT: Final = (
    "Compare the recording with the reference. audio_sim_score: how alike the performances sound "
    "in pronunciation, rhythm, stress and melody, whoever speaks and however well it was recorded. "
    "text_sim_score: how much of what the reference says the recording says, and nothing else. "
    "Both are numbers from 0 (nothing alike) to 1 (the same); silence scores 0. Answer in the form "
    '{"audio_sim_score": number, "text_sim_score": number}.'
)


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )


class _ModelSettings(_Frozen):
    hears_phones: ClassVar[bool] = False
    """Whether it is a phone model."""
    gains_by_phones: ClassVar[bool] = False
    """Whether a phone model beside it helps: it hears words, in frames that hold more than them."""
    is_small: ClassVar[bool] = False
    """Whether a pass takes no longer than decoding."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="Name of the model in requests, answers and the cache."
    )
    only_on: Literal["cuda"] | None = Field(
        default=None, description="Leave the model out quietly on machines without this device."
    )


class _LocalSettings(_ModelSettings):
    audio_similarity: Literal["aligned", "pooled"] = Field(
        default="aligned",
        description="How features are compared: frame by frame, between other lines and a "
        "perfect copy; or by the plain cosine of their means, which hardly tells lines apart.",
    )

    def compared_features(self) -> AudioFeatures:
        """Whose features are compared."""
        return "own"


class PhonesSettings(_LocalSettings):
    """The phone encoder that ships in the package."""

    hears_phones: ClassVar[bool] = True
    is_small: ClassVar[bool] = True
    type: Literal["phones"]


class _CheckpointSettings(_LocalSettings):
    gains_by_phones: ClassVar[bool] = True
    audio_features: AudioFeatures = Field(
        default="auto",
        description="What is compared. `own`: the model's features, in a view fitted to the phones "
        "in them. `phones`: those of the packaged phone encoder. `auto`: `phones` for clips in "
        "English, else `own`.",
    )
    model_id: str = Field(min_length=1, description="Checkpoint on the hub, or a folder.")
    revision: str | None = Field(
        default=None, description="Branch, tag or commit on the hub; its main branch where unset."
    )
    device: Device | None = Field(
        default=None, description="Where this model runs; as the server's `device` where unset."
    )
    dtype: Dtype = Field(
        default="auto",
        description="Of weights and passes. `auto`: float16 on CUDA; on an x86 processor linear "
        "layers in int8, but the encoder in bfloat16 where the processor has that in hardware; "
        "else float32. `int8` is for x86 processors alone.",
    )
    encoder_window_s: Literal["auto"] | Annotated[float, Field(ge=1, le=30)] = Field(
        default="auto",
        description="How much one encoder pass hears. `auto`: the sound and three seconds of "
        "silence, in few steps; what then looks made up is heard again in 30 s. A number: always "
        "so many seconds; Whisper was trained on 30, and shorter ones may make it invent words.",
    )
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = Field(
        default=None,
        description="Code of the language spoken (`en`); found out from each clip where unset.",
    )
    max_new_tokens: Annotated[int, Field(ge=1, le=448)] = Field(
        default=224, description="Longest transcript of a window, in tokens."
    )

    def compared_features(self) -> AudioFeatures:
        """Whose features are compared; by means its own, unless phones are asked for."""
        pooled = self.audio_similarity == "pooled"
        return "own" if pooled and self.audio_features == "auto" else self.audio_features


class WhisperSettings(_CheckpointSettings):
    """A Whisper checkpoint, of transformers or of CTranslate2 (faster-whisper)."""

    type: Literal["whisper"]
    processor_id: str | None = Field(default=None, description="Where its processor is elsewhere.")
    layer: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Encoder layer whose output is compared; the last where unset."
    )


class HiggsAudioSettings(_CheckpointSettings):
    """The audio tower of a Higgs-Audio checkpoint, with a Whisper model for transcripts."""

    type: Literal["higgs_audio"]
    processor_id: str = Field(description="Checkpoint that has the log-mel extractor.")
    transcriber_id: str = Field(description="Whisper checkpoint that writes the transcript.")


class HiggsRemoteSettings(_ModelSettings):
    """A model behind an OpenAI-compatible chat endpoint that listens to both recordings."""

    type: Literal["higgs_remote"]
    api_base: str = Field(description="Address of the endpoint, up to and with its `/v1`.")
    api_key_env: str = Field(
        default="BOSON_API_KEY", description="Environment variable that holds the key."
    )
    model_id: str = Field(min_length=1, description="What the endpoint calls the model.")
    system_prompt: str = Field(default=SYSTEM_PROMPT, description="What it is told to be.")
    user_prompt: str = Field(default=USER_PROMPT, description="What it is asked.")
    temperature: Annotated[float, Field(ge=0, le=2)] = Field(
        default=0.0, description="Randomness of its answers."
    )
    max_completion_tokens: Annotated[int, Field(ge=1)] = Field(
        default=256, description="Longest answer, in tokens."
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="Longest wait for an answer, retries included."
    )
    max_concurrency: Annotated[int, Field(ge=1)] = Field(
        default=8, description="Most questions under way at once."
    )


class FakeSettings(_LocalSettings):
    """A stand-in without weights, for tests and load measurements."""

    is_small: ClassVar[bool] = True
    type: Literal["fake"]
    batch_ms: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="How long a batch occupies it."
    )
    recording_ms: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="How much longer each recording of the batch makes that."
    )


ModelSettings = Annotated[
    PhonesSettings | WhisperSettings | HiggsAudioSettings | HiggsRemoteSettings | FakeSettings,
    Field(discriminator="type"),
]


class Settings(_Frozen):
    """Everything that can be set; immutable once loaded."""

    models: tuple[ModelSettings, ...] = Field(
        min_length=1, description="The models, in order of preference; only in `config.json`."
    )
    model_keys: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Keys of the models to load, comma separated; all of them where unset.",
    )
    video_clip_dir: Path = Field(
        default=Path("video_clip"), description="Folder of the reference clips."
    )
    cache_dir: Path = Field(
        default=Path("cache"), description="Folder of the precomputed reference features."
    )
    models_dir: Path | None = Field(
        default=None, description="Folder of fetched checkpoints; the hub's own cache where unset."
    )
    target_sampling_rate: Annotated[int, Field(ge=8_000, le=48_000)] = Field(
        default=16_000, description="Rate in Hz to which recordings and clips are resampled."
    )
    device: Device = Field(
        default="auto", description="`auto` (CUDA where there is any), `cpu`, `cuda` or `cuda:N`."
    )
    cpu_threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="Processor threads to keep busy; one for each core where unset."
    )
    max_batch_size: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=8, description="Most recordings that go through a model at once."
    )
    max_batch_wait_ms: Annotated[float, Field(ge=0, le=10_000)] = Field(
        default=10.0, description="Longest that a batch waits for more recordings."
    )
    max_batch_seconds: Annotated[float, Field(gt=0)] = Field(
        default=240.0,
        description="Most sound in a batch, every recording counted as long as its longest.",
    )
    max_inflight: Annotated[int, Field(ge=1)] = Field(
        default=64, description="Most requests under way for one model; more are refused with 503."
    )
    max_uploads: Annotated[int, Field(ge=1)] = Field(
        default=128, description="Most uploads being received; more are refused with 503."
    )
    request_timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=60.0,
        description="Longest time for a request, its upload included; then 504, or 408 if it is "
        "the upload that is not done.",
    )
    upload_idle_timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=30.0,
        description="Longest that nothing may come in the middle of an upload; then 408.",
    )
    shutdown_timeout_s: Annotated[float, Field(ge=0)] = Field(
        default=20.0, description="How long requests may go on after a signal to stop."
    )
    canary_interval_s: Annotated[float, Field(ge=0)] = Field(
        default=30.0,
        description="How often a clip is scored against itself to see whether the model is well; "
        "0 for never.",
    )
    disable_cache_flush: bool = Field(
        default=False, description="Keep cache entries of clips and models that are gone."
    )
    reference_memory_mib: Annotated[float, Field(ge=0)] = Field(
        default=256.0, description="Most memory for reference features of one model."
    )
    max_upload_bytes: Annotated[int, Field(ge=1_000)] = Field(
        default=20_000_000, description="Largest request body."
    )
    max_audio_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        default=120.0, description="Longest recording and longest clip."
    )
    min_audio_seconds: Annotated[float, Field(ge=0.05)] = Field(
        default=0.2, description="Shortest recording."
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File of API keys, one a line, of which requests must bear one; open to all "
        "where unset.",
    )
    rate_limit_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="Most requests for a score a minute from one client; 0 for no limit."
    )
    server_host: str = Field(default="127.0.0.1", description="Address to listen on.")
    server_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=9000, description="Port to listen on; 0 takes a free one."
    )
    server_socket: Path | None = Field(
        default=None, description="Unix socket to listen on instead of a port."
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="Least severe messages to log."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Log lines for people or for machines."
    )

    @field_validator("models")
    @classmethod
    def _keys_differ(cls, models: tuple[ModelSettings, ...]) -> tuple[ModelSettings, ...]:
        keys = [model.key for model in models]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"two models have the key {key!r}")
        if AUXILIARY_KEY in keys:
            # They would share a folder of the cache.
            raise ValueError(
                f"the key {AUXILIARY_KEY!r} belongs to the phone encoder that is loaded beside "
                "other models; choose another"
            )
        return models

    @field_validator("api_keys_file")
    @classmethod
    def _keys_can_be_read(cls, path: Path | None) -> Path | None:
        try:
            _ = path and ApiKeys.load(path)
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return path

    @model_validator(mode="after")
    def _durations_leave_room(self) -> Self:
        if self.min_audio_seconds > self.max_audio_seconds:
            raise ValueError("min_audio_seconds must not be above max_audio_seconds")
        return self

    def chosen_models(self) -> tuple[ModelSettings, ...]:
        """The models to load, in the order of ``models``."""
        if self.model_keys is None:
            return self.models
        return tuple(model for model in self.models if model.key in self.model_keys)
