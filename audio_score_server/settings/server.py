"""What can be set, with types, bounds and defaults.

A field's name is its key in ``config.json``; ``AUDIO_SCORE_`` and the name in capitals is its
environment variable. The descriptions are the text of ``--help`` and of the README's table.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from audio_score_server.api_keys import ApiKeys
from audio_score_server.errors import SettingsError
from audio_score_server.settings.model import AUXILIARY_KEY, Device, FrozenSettings, ModelSettings

Host = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?)$")]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s,*]+)$")]


_BUCKET: Final = re.compile(r"(s3|gs|az)://[^/\s]+(/\S*)?")


def _bucket_url(given: object) -> object:
    if isinstance(given, str) and not _BUCKET.fullmatch(given):
        raise ValueError("a bucket is s3://bucket/prefix, gs://bucket/prefix or az://bucket/prefix")
    return given.rstrip("/") if isinstance(given, str) else given


def _clip_place(given: object) -> object:
    if isinstance(given, str):
        return _bucket_url(given) if "://" in given else Path(given)
    if not isinstance(given, Path):
        raise ValueError("it is the path of a folder, or the URL of a bucket")
    return given


BucketUrl = Annotated[str, BeforeValidator(_bucket_url)]
ClipPlace = Annotated[Path | str, BeforeValidator(_clip_place)]
"""A path is one of a folder, a string the URL of a bucket."""


class Settings(FrozenSettings):
    """Everything that can be set; immutable once loaded."""

    models: tuple[ModelSettings, ...] = Field(
        min_length=1, description="The models, in order of preference; only in `config.json`."
    )
    model_keys: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Keys of the models to load, comma separated; all of them where unset.",
    )
    video_clip_dir: ClipPlace = Field(
        default=Path("video_clip"),
        description="Folder of the reference clips, or a bucket: `s3://bucket/prefix`, `gs://...` "
        "or `az://...` ([docs/buckets.md](docs/buckets.md)).",
    )
    bucket_interval_s: Annotated[float, Field(ge=0.5, le=86_400)] = Field(
        default=60.0, description="How often a bucket of clips is listed."
    )
    bucket_copy_bytes: Annotated[int, Field(ge=0)] = Field(
        default=10_000_000_000,
        description="Most bytes of a bucket's clips that are kept below `cache_dir`.",
    )
    shared_cache_url: BucketUrl | None = Field(
        default=None,
        description="Bucket through which hosts share what they compute of clips; each computes "
        "for itself where unset.",
    )
    library_scan_interval_s: Annotated[float, Field(ge=0.5, le=86_400)] = Field(
        default=5.0,
        description="How often the clips are looked through where their file system tells of no "
        "changes.",
    )
    max_library_bytes: Annotated[int, Field(ge=0)] = Field(
        default=10_000_000_000,
        description="Largest size to which the library may grow by requests; 0 for no limit.",
    )
    max_clip_bytes: Annotated[int, Field(ge=1_000)] = Field(
        default=200_000_000, description="Largest request body with a clip."
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
    max_transcription_bytes: Annotated[int, Field(ge=1_000)] = Field(
        default=2_000_000_000, description="Largest request body with a recording to transcribe."
    )
    max_transcription_seconds: Annotated[float, Field(gt=0, le=360_000)] = Field(
        default=14_400.0, description="Longest recording to transcribe."
    )
    max_transcriptions: Annotated[int, Field(ge=1)] = Field(
        default=8, description="Most recordings transcribed at once; more are refused with 503."
    )
    transcription_timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=600.0,
        description="Longest time for a transcription, its upload included; then 504. What takes "
        "longer is a job.",
    )
    transcribe_url_hosts: tuple[Host, ...] = Field(
        default=(),
        description="Hosts from which recordings may be fetched (`media.example.com`, "
        "`*.example.com`), comma separated, or `*` for all public ones; none where unset.",
    )
    max_jobs: Annotated[int, Field(ge=1)] = Field(
        default=100, description="Most jobs that wait; more are refused with 503."
    )
    jobs_kept_s: Annotated[float, Field(gt=0)] = Field(
        default=86_400.0, description="How long jobs that have ended are kept."
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File of API keys, one a line, of which requests must bear one; open to all "
        "where unset.",
    )
    admin_keys_file: Path | None = Field(
        default=None,
        description="File of keys, one a line, with which clips may be changed; none may be where "
        "unset.",
    )
    rate_limit_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0,
        description="Most requests for a score or a transcript a minute from one client; 0 for no "
        "limit.",
    )
    cors_origins: tuple[Origin, ...] = Field(
        default=(),
        description="Origins whose pages may call the server (`https://app.example`), comma "
        "separated, or `*` for all; none where unset.",
    )
    studio: bool = Field(
        default=True,
        description="Whether there is a page to practise on, at `/studio`: `on` or `off`.",
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

    @field_validator("api_keys_file", "admin_keys_file")
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
