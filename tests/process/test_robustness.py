"""What a score withstands and what it does not fall for, on the demo through the whole path."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray
from audio_score_server.library.clip import Clip
from tests.process.scorer import CLIPS, RIGHT, Scorer, demo_scorer, recordings_of
from tests.support import chirp, encoded

_RATE: Final = 16_000
_LIMITS: Final = DecodeLimits(_RATE, 0.1, 60.0)
_WRONG: Final = 0.2
"""What is not the line scores less."""


def _noise(dbfs: float) -> FloatArray:
    noise = np.random.default_rng(1).standard_normal(3 * _RATE)
    return (10 ** (dbfs / 20) * noise).clip(-1, 1).astype(np.float32)


def _tones(*pitches: float, seconds: float = 3.0) -> FloatArray:
    times = np.arange(round(seconds * _RATE)) / _RATE
    waves = [np.sin(2 * np.pi * pitch * times) for pitch in pitches]
    return np.asarray(0.6 * np.mean(waves, axis=0), np.float32)


def _melody() -> FloatArray:
    """Six notes with overtones, each swelling and fading like a syllable."""
    notes = (262.0, 294.0, 330.0, 349.0, 392.0, 330.0)
    fade = np.hanning(_RATE // 2)
    played = [_tones(*(pitch * k for k in range(1, 6)), seconds=0.5) * fade for pitch in notes]
    return np.concatenate(played).astype(np.float32)


_NO_SPEECH: Final = {
    **{f"silence of {s:g} s": np.zeros(int(s * _RATE), np.float32) for s in (0.5, 3.0, 10.0)},
    **{f"noise at {level} dB": _noise(level) for level in (-60, -40, -20, -10)},
    **{f"tone of {pitch:g} Hz": _tones(pitch) for pitch in (110.0, 440.0, 3_000.0)},
    "buzz": _tones(*(120.0 * k for k in range(1, 30))),
    "chord": _tones(220.0, 277.2, 329.6),
    "melody": _melody(),
    "chirp": chirp(3.0),
    "clicks": np.where(np.arange(3 * _RATE) % 4_000, 0.0, 0.9).astype(np.float32),
}
_BY_FFMPEG: Final = {
    "slower": ("-af", "atempo=0.8"),
    "faster": ("-af", "atempo=1.25"),
    "telephone": ("-af", "highpass=f=300,lowpass=f=3400", "-ar", "8000", "-c:a", "pcm_mulaw"),
}
_DISTORTIONS: Final = ("as it is", *_BY_FFMPEG, "quieter", "noisy")
_LINES: Final = [(clip, path) for clip in CLIPS for path in recordings_of(clip, *RIGHT)]
"""Every recording of a whole line, with its clip."""


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    """On the demo, with a cache of its own."""
    with demo_scorer(tmp_path_factory.mktemp("cache")) as scorer:
        yield scorer


@pytest.fixture(scope="module")
def others(scorer: Scorer) -> dict[str, float]:
    """The best score that any line but its own has with a clip."""
    return {
        str(clip.id): max(score.total for score in scorer.scores(clip, _not_its_own(clip)))
        for clip in CLIPS
    }


def _not_its_own(clip: Clip) -> list[bytes]:
    lines = [path for other, path in _LINES if other != clip]
    return [path.read_bytes() for path in (*recordings_of(clip, "wrong"), *lines)]


def _samples(path: Path) -> FloatArray:
    return decode(path.read_bytes(), _LIMITS).samples


def _exactly(samples: FloatArray) -> bytes:
    """A file that rounds nothing."""
    return encoded(samples.astype(np.float32), codec="pcm_f32le")


def _distorted(path: Path, how: str) -> bytes:
    if how in _BY_FFMPEG:
        command = ["ffmpeg", "-v", "error", "-i", str(path), *_BY_FFMPEG[how], "-f", "wav", "-"]
        return subprocess.run(command, capture_output=True, check=True).stdout
    samples = _samples(path)
    if how == "quieter":
        return _exactly(0.1 * samples)
    if how == "noisy":
        noise = np.random.default_rng(2).standard_normal(len(samples))
        return _exactly(samples + noise * samples.std() * 10 ** (-15 / 20))
    return path.read_bytes()


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: str(clip.id))
def test_the_clips_own_sound_is_wholly_like_it(scorer: Scorer, clip: Clip) -> None:
    assert scorer.score(clip, clip.read()).audio >= 0.999


@pytest.mark.parametrize("name", _NO_SPEECH)
def test_what_is_no_speech_scores_next_to_nothing(scorer: Scorer, name: str) -> None:
    sound = _exactly(_NO_SPEECH[name])
    for clip in CLIPS:
        assert scorer.score(clip, sound).total < _WRONG, str(clip.id)


def test_silence_scores_nothing_at_all(scorer: Scorer) -> None:
    score = scorer.score(CLIPS[0], _exactly(np.zeros(_RATE, np.float32)))
    assert (score.audio, score.text) == (0.0, 0.0)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: str(clip.id))
def test_another_line_altogether_scores_next_to_nothing(scorer: Scorer, clip: Clip) -> None:
    (wrong,) = recordings_of(clip, "wrong")
    assert scorer.score(clip, wrong.read_bytes()).total < _WRONG


def test_lines_of_other_clips_score_next_to_nothing(others: dict[str, float]) -> None:
    assert max(others.values()) < _WRONG


@pytest.mark.parametrize("how", _DISTORTIONS)
def test_a_right_reading_stays_above_every_wrong_line(
    scorer: Scorer, others: dict[str, float], how: str
) -> None:
    for clip, path in _LINES:
        score = scorer.score(clip, _distorted(path, how))
        assert score.total > others[str(clip.id)] + _WRONG, path.name


def test_gain_changes_the_audio_score_by_next_to_nothing(scorer: Scorer) -> None:
    for clip, path in _LINES:
        samples = _samples(path)
        gains = [10 ** (decibels / 20) for decibels in (-20, -11, -3, 3, 6)]
        louder = [gain * samples for gain in gains if gain * np.abs(samples).max() < 1]
        assert _changes(scorer, clip, samples, louder) < 0.01, path.name


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, 3.0])
def test_silence_at_the_ends_hardly_changes_the_audio_score(scorer: Scorer, seconds: float) -> None:
    silence = np.zeros(int(seconds * _RATE), np.float32)
    for clip, path in _LINES:
        samples = _samples(path)
        ways = ((silence, samples), (samples, silence), (silence, samples, silence))
        padded = [np.concatenate(parts) for parts in ways]
        assert _changes(scorer, clip, samples, padded) < 0.02, path.name


def _changes(
    scorer: Scorer, clip: Clip, samples: FloatArray, versions: Sequence[FloatArray]
) -> float:
    """Largest change of the audio score from one sound to versions of it."""
    usual, *others = scorer.scores(clip, [_exactly(each) for each in (samples, *versions)])
    return max(abs(other.audio - usual.audio) for other in others)


def test_the_same_request_gives_the_same_numbers(scorer: Scorer) -> None:
    clip = CLIPS[0]
    sound = recordings_of(clip, "right")[0].read_bytes()
    assert len({scorer.score(clip, sound) for _ in range(3)}) == 1


def test_company_in_a_batch_changes_nothing(scorer: Scorer) -> None:
    clip = CLIPS[0]
    sounds = [path.read_bytes() for path in recordings_of(clip, "*")]
    sounds += [recordings_of(other, "right")[0].read_bytes() for other in CLIPS[1:4]]
    together = scorer.scores(clip, sounds)
    assert len(sounds) == 10
    for sound, score in zip(sounds, together, strict=True):
        alone = scorer.score(clip, sound)
        assert (score.audio, score.text) == pytest.approx((alone.audio, alone.text), abs=1e-6)
