"""What the server answers, as values that do not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audio_score_client.detail import ScoreDetail


@dataclass(frozen=True, slots=True)
class Score:
    """How close a recording came to a clip; each score from 0 to 1.

    Attributes:
        model: key of the model that was used.
        sim_score: average of the two others.
        audio_sim_score: likeness of the sounds.
        text_sim_score: likeness of what is said.
        detail: why, where it was asked for.
    """

    model: str
    sim_score: float
    audio_sim_score: float
    text_sim_score: float
    detail: ScoreDetail | None = None


@dataclass(frozen=True, slots=True)
class RankedScore:
    """One recording against one clip.

    Attributes:
        uid: video id.
        cid: clip id.
        audio: which recording, counted from 0.
        sim_score: average of the two others, from 0 to 1.
        audio_sim_score: likeness of the sounds.
        text_sim_score: likeness of what is said.
    """

    uid: str
    cid: str
    audio: int
    sim_score: float
    audio_sim_score: float
    text_sim_score: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Several recordings, or several clips, the best first.

    Attributes:
        model: key of the model that was used.
        scores: sorted by ``sim_score``.
    """

    model: str
    scores: tuple[RankedScore, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its place in the recording.

    Attributes:
        start: in seconds from the beginning.
        end: in seconds from the beginning.
        word: with the punctuation that touches it.
        probability: from 0 to 1.
    """

    start: float
    end: float
    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence of a transcript, or what is between two pauses.

    Attributes:
        id: counted from 0.
        start: in seconds from the beginning.
        end: in seconds from the beginning.
        text: what is said.
        words: None unless they were asked for.
    """

    id: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True, slots=True)
class Transcription:
    """What a recording says, and when.

    Attributes:
        language: code of the language.
        duration_seconds: how long the recording is.
        segments: in order.
    """

    language: str
    duration_seconds: float
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All of it, a line for each segment."""
        return "\n".join(segment.text for segment in self.segments)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed.

    Attributes:
        detail: for people.
        code: stable, for programs.
    """

    detail: str
    code: str


@dataclass(frozen=True, slots=True)
class Job:
    """A transcription that outlasts its request.

    Attributes:
        id: as other methods ask for it.
        state: ``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``.
        done_seconds: of the recording, so far.
        duration_seconds: how long the recording is, or says it is; None until that is known.
        result: when it has succeeded.
        error: why it failed, if it did.
    """

    id: str
    state: str
    done_seconds: float
    duration_seconds: float | None
    result: Transcription | None = None
    error: JobError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that the server has loaded.

    Attributes:
        key: what requests call it.
        device: where it runs.
        default: whether it scores requests that name no model.
    """

    key: str
    device: str
    default: bool


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """A model of the server's settings, loaded or not.

    Attributes:
        key: what requests call it.
        state: ``loading``, ``ready``, ``unloaded`` or ``failed``.
        files: ``present`` or ``missing``; None for a model without files.
        device: where it runs; None where it does not.
        default: whether it scores requests that name no model.
    """

    key: str
    state: str
    files: str | None
    device: str | None
    default: bool


@dataclass(frozen=True, slots=True)
class Health:
    """The server as a whole.

    Attributes:
        status: ``starting``, ``ready``, ``failed`` or ``stopping``.
        models: of its settings.
        clips: how many there are.
        versions: of the server and of what it stands on.
        uptime_s: seconds since it started.
    """

    status: str
    models: tuple[ModelHealth, ...]
    clips: int
    versions: Mapping[str, str]
    uptime_s: float


@dataclass(frozen=True, slots=True)
class Clip:
    """A reference clip.

    Attributes:
        uid: video id.
        cid: clip id.
        text: what is said in it; None where nothing tells.
        etag: of this version, as ``if_match`` takes it.
    """

    uid: str
    cid: str
    text: str | None
    etag: str


@dataclass(frozen=True, slots=True)
class ModelClip:
    """A clip as one model has it.

    Attributes:
        state: ``ready``, ``pending`` or ``failed``.
    """

    state: str


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """All that is known of a reference clip.

    Attributes:
        uid: video id.
        cid: clip id.
        text: what is said in it; None where nothing tells.
        etag: of this version, as ``if_match`` takes it.
        media_type: of its file.
        size_bytes: of its file.
        duration_s: how long it is; None where that is not known.
        language: code of the language; None where it is not known.
        models: how far each model is with it, by key.
    """

    uid: str
    cid: str
    text: str | None
    etag: str
    media_type: str
    size_bytes: int
    duration_s: float | None
    language: str | None
    models: Mapping[str, ModelClip]


@dataclass(frozen=True, slots=True)
class PutClip:
    """What became of a clip that was put.

    Attributes:
        clip: as it is now.
        created: whether there was none before.
    """

    clip: ClipInfo
    created: bool
