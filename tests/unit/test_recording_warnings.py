from __future__ import annotations

import numpy as np
import pytest

from audio_score_server.domain import Contours, EncoderFeatures, FloatArray, Score
from audio_score_server.scoring.recording_warnings import WarningInputs, recording_warnings

_STEP_S = 0.01
_STEPS = 200
_GOOD = Score(0.8, 0.9)


def _voice(shift: int = 0, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Levels and pitch of two seconds in which somebody speaks and pauses."""
    chance = np.random.default_rng(seed)
    times = np.arange(_STEPS)
    level = -25 + 12 * np.sin(times / 9 + seed) + chance.normal(0, 1, _STEPS)
    level[times % 50 < 12] = -70
    pitch = np.where(level > -60, 150 * 2 ** (0.4 * np.sin(times / 17 + 2 * seed)), 0)
    return np.roll(level, shift).astype(np.float32), np.roll(pitch, shift).astype(np.float32)


def _contours(level: FloatArray, pitch: FloatArray, peak: float = 0.5) -> Contours:
    highs = np.full(len(level), peak, np.float32)
    return Contours(_STEP_S, pitch, level, -highs, highs)


def _features(speech_s: float) -> EncoderFeatures:
    speech = np.ones(round(speech_s * 50), np.float32)
    return EncoderFeatures(np.ones((len(speech), 2), np.float32), speech, 50.0)


def _warnings(
    recording: Contours, speech_s: float = 1.5, score: Score = _GOOD, clip_s: float = 1.5
) -> tuple[str, ...]:
    reference = _contours(*_voice())
    features = _features(speech_s), _features(clip_s)
    return recording_warnings(WarningInputs(score, reference, recording, *features))


OTHER = _contours(*_voice(seed=1))


def test_an_ordinary_recording_has_none() -> None:
    assert _warnings(OTHER) == ()


@pytest.mark.parametrize(("loudest_db", "silent"), [(-61.0, True), (-59.0, False)])
def test_silence_is_all_there_is_to_say(loudest_db: float, silent: bool) -> None:
    level, pitch = _voice(seed=1)
    quiet = _contours(level - level.max() + np.float32(loudest_db), pitch)
    assert (_warnings(quiet, score=Score(0.0, 0.0)) == ("silent",)) is silent


@pytest.mark.parametrize(("speech_s", "found"), [(0.1, ("no_speech",)), (0.2, ("too_short",))])
def test_a_click_is_no_speech(speech_s: float, found: tuple[str, ...]) -> None:
    assert _warnings(OTHER, speech_s) == found


@pytest.mark.parametrize(("speech_s", "short"), [(0.58, True), (0.62, False)])
def test_less_than_two_fifths_of_the_clips_speech_is_too_short(
    speech_s: float, short: bool
) -> None:
    assert ("too_short" in _warnings(OTHER, speech_s)) is short


@pytest.mark.parametrize(("share", "clipped"), [(0.05, False), (0.15, True)])
def test_what_touches_full_scale_again_and_again_is_clipped(share: float, clipped: bool) -> None:
    level, pitch = _voice(seed=1)
    peaks = np.full(_STEPS, 0.5, np.float32)
    loud = np.flatnonzero(level > level.max() - 20)
    peaks[loud[: round(share * len(loud))]] = 1.0
    assert ("clipped" in _warnings(Contours(_STEP_S, pitch, level, -peaks, peaks))) is clipped


@pytest.mark.parametrize(("floor_db", "noisy"), [(-19.0, True), (-35.0, False)])
def test_a_voice_hardly_above_the_noise_is_noisy(floor_db: float, noisy: bool) -> None:
    level, pitch = _voice(seed=1)
    assert ("noisy" in _warnings(_contours(np.maximum(level, floor_db), pitch))) is noisy


@pytest.mark.parametrize(
    ("score", "mismatch"),
    [
        (Score(0.19, 0.19), True),
        (Score(0.19, 0.21), False),
        (Score(0.21, 0.0), False),
    ],
)
def test_low_scores_of_both_kinds_are_another_line(score: Score, mismatch: bool) -> None:
    assert ("content_mismatch" in _warnings(OTHER, score=score)) is mismatch


@pytest.mark.parametrize("gain_db", [0.0, -12.0])
def test_the_clips_own_sound_is_a_replay_however_loud(gain_db: float) -> None:
    level, pitch = _voice()
    assert _warnings(_contours(level + np.float32(gain_db), pitch)) == ("replay",)


def test_the_clips_own_sound_a_little_later_is_a_replay_still() -> None:
    level, pitch = _voice()
    late = np.concatenate([np.full(30, -90, np.float32), level])
    assert "replay" in _warnings(_contours(late, np.concatenate([np.zeros(30, np.float32), pitch])))


def test_the_same_levels_in_another_voice_are_no_replay() -> None:
    level, pitch = _voice()
    assert "replay" not in _warnings(_contours(level, pitch * np.float32(1.2)))
