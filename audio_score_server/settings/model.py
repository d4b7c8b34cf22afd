"""What can be set of a model, with types, bounds and defaults.

A field's name is its key in ``config.json``; the descriptions are the text of the README's table.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class FrozenSettings(BaseModel):
    """Settings that nobody changes, and whose misspelt names are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )


class _ModelSettings(FrozenSettings):
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
        description="What is compared. `own`: the model's features, in a projection fitted to the "
        "phones in them. `phones`: those of the packaged phone encoder. `auto`: `phones` for clips "
        "in English, else `own`.",
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
