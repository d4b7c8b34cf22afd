"""What the service asks of every model, wherever it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol, runtime_checkable

from audio_score_server.domain import Contours, ModelInfo, Score
from audio_score_server.errors import QueueFull
from audio_score_server.library.clip import Clip, Library
from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.words import ClipWord
from audio_score_server.telemetry.stages import Stages
from audio_score_server.transcription.words import Segment

ReferenceState = Literal["ready", "pending", "failed"]
"""Of a clip, for one model: encoded, yet to be encoded, or not to be encoded at all."""


@dataclass(frozen=True, slots=True)
class ReferenceStatus:
    """A clip as one model has it.

    Attributes:
        state: how far its reference is.
        language: code of the language it is in, where that is known.
        duration_s: of its sound, in seconds, where that is known.
    """

    state: ReferenceState
    language: str | None = None
    duration_s: float | None = None


Upload = Callable[[], bytes]
"""Reads an uploaded file, which may be on disk."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """A model at the moment of being asked.

    Attributes:
        waiting: requests that wait for its device.
        oldest_s: how long the first of them has waited.
        reference_hits: references found in memory since the start.
        reference_misses: references that were read from disk or built.
    """

    waiting: int = 0
    oldest_s: float = 0.0
    reference_hits: int = 0
    reference_misses: int = 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """Why a score is what it is, and what a picture of it needs.

    Attributes:
        detail: for people and apps.
        reference: contours of the clip.
        recording: contours of the recording.
    """

    detail: Detail
    reference: Contours
    recording: Contours


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What a recording is given: a score, and where it was asked for, the reasons."""

    score: Score
    analysis: Analysis | None = None


class Model(Protocol):
    """What every loaded model offers, whatever it can do.

    Attributes:
        key: the model's name in requests.
        info: where the model is and what it takes.
        needs: other loaded models, without which it cannot work.
        on_death: told, on any thread, when the model's device has failed for good.
    """

    key: str
    info: ModelInfo
    needs: Sequence[Model]

    on_death: Callable[[BaseException], object]

    async def start(self, library: Library, concurrency: int) -> None:
        """Make ready for every clip, ``concurrency`` of them at once; done once, whoever asks."""
        ...

    async def use(self, library: Library, concurrency: int) -> None:
        """Make ready for another version of the library, while requests go on."""
        ...

    async def close(self) -> None:
        """Refuse what still waits and let go of the model."""
        ...

    def full(self, left_s: float) -> QueueFull | None:
        """How a request that would wait so long would be refused now; None where it would not."""
        ...

    def traffic(self) -> Traffic:
        """What is going on."""
        ...

    async def health_error(self) -> str | None:
        """What is wrong with the model; None while it is healthy."""
        ...


@runtime_checkable
class Scorer(Model, Protocol):
    """A model that compares recordings with clips."""

    def failed(self, clip: Clip) -> bool:
        """Whether nothing can be compared with the clip."""
        ...

    async def reference_status(self, clip: Clip) -> ReferenceStatus:
        """Whether recordings can be compared with the clip at once, later, or not at all."""
        ...

    async def prepare(self, clip: Clip) -> None:
        """Encode a clip that recordings will be compared with, unless that is done.

        Raises:
            ReferenceMissing: the clip cannot be used.
            ClipChanged: it has another version by now.
        """
        ...

    async def clip_words(self, clip: Clip) -> Sequence[ClipWord]:
        """Words of the clip's text with their times in it; none where the model knows no times.

        Raises:
            ReferenceMissing: the clip cannot be used.
            ClipChanged: it has another version by now.
        """
        ...

    async def score(
        self, clip: Clip, upload: Upload, stages: Stages, detailed: bool = False
    ) -> ScoreResult:
        """Compare an uploaded recording with a clip.

        Args:
            clip: of the library.
            upload: gives the recording's bytes; called once, on a thread for such work.
            stages: told how long each took.
            detailed: whether a detail is asked for.

        Raises:
            AudioError: the recording cannot be used.
            DetailUnsupported: the model gives scores alone.
            ReferenceMissing: the clip cannot be used.
            ClipChanged: it has another version by now; the upload was not read.
            BatchError: the model failed on this recording.
            QueueFull: too many requests are under way.
            DeviceMemoryError: the recording does not fit into the device's memory.
            RemoteError: a remote model refused, failed or answered nonsense.
            RemoteTimeout: a remote model did not answer in time.
            NotReady: the model is being closed, or its device has failed.
        """
        ...

    async def score_all(self, clips: Sequence[Clip], upload: Upload) -> list[ScoreResult]:
        """Compare one recording with several clips, in detail, as ``score`` would with each.

        What does not depend on the clip is done once. For callers that bound their own number.

        Args:
            clips: of the library, at least one.
            upload: gives the recording's bytes; called once, on a thread for such work.

        Raises:
            DetailUnsupported: the model gives scores alone.
            AudioScoreError: for all of them, what ``score`` would raise for any.
        """
        ...


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """How a recording is to be written down.

    Attributes:
        language: code; None to find out from the first words.
        prompt: text that the recording goes on from: names and spellings to be expected.
        beam_size: hypotheses at once; 1 for greedy decoding.
        temperature: of the first attempt; 0 for the likeliest transcript.
        vad_filter: whether what is no speech is left out.
        condition_on_previous_text: whether each window goes on from the text of the one before,
            as in Whisper's own recipe: more consistent, but no two windows are written at once.
    """

    language: str | None = None
    prompt: str = ""
    beam_size: int = 5
    temperature: float = 0.0
    vad_filter: bool = True
    condition_on_previous_text: bool = False


@dataclass(frozen=True, slots=True)
class TranscriptPart:
    """What has been written down since the part before.

    Attributes:
        segments: complete ones, maybe none.
        language: code of the recording's language; None until it is known.
        done_s: seconds of the recording that are written down.
        total_s: how long the recording is, or says it is; None where it does not say.
    """

    segments: tuple[Segment, ...]
    language: str | None
    done_s: float
    total_s: float | None


@runtime_checkable
class TranscriptionModel(Model, Protocol):
    """A model that writes recordings down."""

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that it knows."""
        ...

    def transcribe(
        self, file: BinaryIO, options: TranscriptionOptions
    ) -> AsyncGenerator[TranscriptPart, None]:
        """Write a recording down while it is decoded; whoever stops asking stops the work.

        Args:
            file: at its beginning, seekable; read until the last part.
            options: how.

        Yields:
            Parts in order; the last one tells the true length.

        Raises:
            UnsupportedLanguage: the model does not know the language.
            AudioError: the recording cannot be used.
            BatchError: the model failed on it.
            DeviceMemoryError: it does not fit into the device's memory.
            NotReady: the model is being closed, or its device has failed.
        """
        ...
