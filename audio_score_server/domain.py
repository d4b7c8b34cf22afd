"""Values that travel along the request's path, and the words for them.

**waveform** mono sound · **input features** what a model takes, made on the CPU · **utterance**
one recording (or clip) on its way into a batch · **encoder features** what a model hears, frame by
frame · **transcript** what was said, in words or phones · **encoding** both · **reference** a
clip's encoding, cached · **score** the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]
InputT = TypeVar("InputT")
"""A runner's own type of input features."""
WORTHLESS_NATS: Final = 4.0
"""By how much a unit's log evidence falls short when it is not there at all."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono sound.

    Attributes:
        samples: float32 ``[samples]``, full scale 1.
        sampling_rate: samples a second.
    """

    samples: FloatArray
    sampling_rate: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.sampling_rate


@dataclass(frozen=True, slots=True)
class EncoderFeatures:
    """What a model hears of one recording; only valid frames, no padding.

    Attributes:
        frames: float32 ``[frames, dimensions]``.
        speech: float32 ``[frames]``, from 0 to 1: how much each frame tells of what is said.
            Silence and CTC blanks tell nothing.
        frame_rate_hz: frames a second.
    """

    frames: FloatArray
    speech: FloatArray
    frame_rate_hz: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said.

    Attributes:
        text: for people: words, or phones with spaces between them.
        unit: what ``text`` is made of.
        language: code of the language it is in, where a model was told or found out.
    """

    text: str
    unit: Literal["word", "phone"]
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Utterance(Generic[InputT]):
    """One recording on its way into a batch.

    Attributes:
        features: input features, of whatever type the runner makes.
        expected: what a perfect performance says; None while the clip itself is encoded and has
            no transcript of its own.
        others: what else it is compared with, each instead of ``expected``; in the language of
            that.
    """

    features: InputT
    expected: Transcript | None
    others: tuple[Transcript, ...] = ()


@dataclass(frozen=True, slots=True)
class HeardPhone:
    """A phone as a model heard it.

    Attributes:
        phone: in ARPAbet without stress.
        start: its first frame.
        stop: the frame after its last.
    """

    phone: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """The likeliest way in which a recording says the expected phones; arrays ``[phones]``.

    Attributes:
        present: bool, whether the phone is there at all.
        starts: first frame of each phone that is there, else 0.
        stops: frame after its last.
        evidence: float32 from 0 to 1, likelihood of this path over that of the likeliest path of
            all, from the phone's start to the next one's. Sounds that nobody expected weigh on the
            phone before them. A goodness of pronunciation (Witt and Young, 2000) on CTC posteriors.
        heard: every phone of the likeliest path of all, in order, expected or not.
    """

    present: BoolArray
    starts: IntArray
    stops: IntArray
    evidence: FloatArray
    heard: tuple[HeardPhone, ...]


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a model makes of one utterance.

    Attributes:
        features: for the audio similarity.
        transcript: as heard.
        evidence: float32 ``[expected units]``, from 0 to 1: how likely each expected unit is in
            this sound, measured by the likeliest of all; None where nothing was expected or the
            model cannot tell.
        alignment: where the expected phones are (where nothing was expected, those heard); None
            from models that hear no phones, and where there are none.
        retried: parts of the recording that were heard a second time, since what was written of
            them was hard to believe.
        others: the encoding had each of the utterance's ``others`` been expected, in their order.
    """

    features: EncoderFeatures
    transcript: Transcript
    evidence: FloatArray | None
    alignment: Alignment | None = None
    retried: int = 0
    others: tuple[Encoding, ...] = ()


@dataclass(frozen=True, slots=True)
class Contours:
    """Melody, loudness and outline of a recording, one value for each step.

    Attributes:
        step_s: seconds from one to the next.
        pitch_hz: float32 ``[steps]``, fundamental frequency; 0 where there is no voice.
        level_db: float32 ``[steps]``, mean power, full scale 0.
        lows: float32 ``[steps]``, the lowest sample of each.
        highs: float32 ``[steps]``, the highest.
    """

    step_s: float
    pitch_hz: FloatArray
    level_db: FloatArray
    lows: FloatArray
    highs: FloatArray


@dataclass(frozen=True, slots=True)
class Reference:
    """A clip as a recording is compared with it.

    Attributes:
        features: of the clip's sound.
        transcript: from the text beside the clip where there is one, else as the model heard it.
        contours: of the clip's sound.
        alignment: where the transcript's phones are in the clip; None for models that hear none.
    """

    features: EncoderFeatures
    transcript: Transcript
    contours: Contours
    alignment: Alignment | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Where a model is and what it takes, for people.

    Attributes:
        device: processor, accelerator or host.
        dtype: of the weights; empty where there are none here.
        parameters: number of weights.
        size: bytes they take.
    """

    device: str
    dtype: str = ""
    parameters: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """How close a recording came; each number from 0 to 1.

    Raises:
        ValueError: a number is none of these.
    """

    audio: float
    text: float

    def __post_init__(self) -> None:
        """Nothing else ever becomes a score."""
        if not (0.0 <= self.audio <= 1.0 and 0.0 <= self.text <= 1.0):
            raise ValueError(f"{self.audio} and {self.text} are no scores from 0 to 1")

    @property
    def total(self) -> float:
        """The average of the two."""
        return (self.audio + self.text) / 2
