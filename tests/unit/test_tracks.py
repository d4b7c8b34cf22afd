from __future__ import annotations

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray
from audio_score_server.errors import TooLongAudio, UndecodableAudio
from tests.support import chirp, encoded_tracks, likeness

_LIMITS = DecodeLimits(sampling_rate=16_000, min_seconds=0.2, max_seconds=5.0)
_RATE = 48_000
_VOICE = chirp(1.0, _RATE)
_OTHER = chirp(1.0, _RATE, lowest=2_000.0)
_SILENCE = np.zeros_like(_VOICE)
_HISS = (np.random.default_rng(0).standard_normal(_RATE) * 3e-4).astype(np.float32)
_CONTAINERS = [
    ("mp4", "aac"),
    ("mov", "pcm_s16le"),
    ("matroska", "flac"),
    ("webm", "libopus"),
    ("mpegts", "aac"),
    ("avi", "pcm_s16le"),
]


def _heard(
    tracks: list[FloatArray], container: str = "mov", codec: str = "pcm_s16le"
) -> FloatArray:
    return decode(encoded_tracks(tracks, container, codec, _RATE), _LIMITS).samples


@pytest.mark.parametrize(("container", "codec"), _CONTAINERS)
@pytest.mark.parametrize("dead", [_SILENCE, _HISS])
def test_a_track_with_sound_is_heard_behind_silent_ones(
    dead: FloatArray, container: str, codec: str
) -> None:
    for tracks in ([dead, _VOICE], [dead, dead, _VOICE], [_VOICE, dead]):
        assert likeness(_heard(tracks, container, codec), chirp()) > 0.97


def test_a_track_with_sound_is_heard_behind_one_that_is_constant() -> None:
    assert likeness(_heard([_SILENCE + np.float32(0.1), _VOICE]), chirp()) > 0.97


def test_the_first_track_with_sound_is_heard() -> None:
    assert likeness(_heard([_VOICE, _OTHER]), chirp()) > 0.97
    assert likeness(_heard([_SILENCE, _VOICE, _OTHER]), chirp()) > 0.97


def test_the_track_is_heard_that_its_container_prefers() -> None:
    data = encoded_tracks([_OTHER, _VOICE], "matroska", "flac", _RATE, preferred=1)
    assert likeness(decode(data, _LIMITS).samples, chirp()) > 0.97


def test_a_quiet_voice_is_not_given_up_for_one_as_quiet() -> None:
    heard = _heard([_VOICE * np.float32(1e-3), _OTHER * np.float32(4e-3)], "mov", "pcm_f32le")
    assert likeness(heard, chirp()) > 0.97


def test_tracks_that_are_all_silent_are_silence() -> None:
    heard = _heard([_SILENCE, _SILENCE])
    assert len(heard) == 16_000
    assert not heard.any()


def test_a_track_in_opposite_phase_is_heard() -> None:
    voice = np.stack([_VOICE, -_VOICE])
    for tracks in ([voice, _SILENCE], [_SILENCE, voice]):
        assert likeness(_heard(tracks), chirp()) > 0.97


def test_a_track_that_nobody_decodes_is_passed_over() -> None:
    data = encoded_tracks([_OTHER, _VOICE], "mov", "pcm_s16le", _RATE, preferred=0)
    strange = data.replace(b"sowt", b"xyzz", 1)
    assert likeness(decode(strange, _LIMITS).samples, chirp()) > 0.97
    with pytest.raises(UndecodableAudio):
        decode(data.replace(b"sowt", b"xyzz"), _LIMITS)


def test_no_more_than_six_tracks_are_tried() -> None:
    assert _heard([_SILENCE] * 5 + [_VOICE]).any()
    assert not _heard([_SILENCE] * 6 + [_VOICE]).any()


def test_a_silent_track_may_not_be_too_long() -> None:
    with pytest.raises(TooLongAudio):
        _heard([np.tile(_SILENCE, 6), _VOICE])


def test_tracks_are_tried_for_as_long_as_two_of_the_longest() -> None:
    long = np.tile(_SILENCE, 3)
    assert _heard([long, _VOICE]).any()
    assert not _heard([long, long, _VOICE]).any()
