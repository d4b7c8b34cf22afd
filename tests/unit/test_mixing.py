from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.audio.fallback import decode_behind
from audio_score_server.domain import FloatArray
from audio_score_server.errors import UndecodableAudio
from tests.support import (
    chirp,
    encoded,
    encoded_planes,
    likeness,
    peak_kib,
    peak_kib_from_now,
    wav_bytes,
)

_LIMITS = DecodeLimits(sampling_rate=16_000, min_seconds=0.2, max_seconds=70.0)
_RATE = 48_000
_AS_IT_IS = DecodeLimits(_RATE, 0.2, 70.0)
_CHANCE = np.random.default_rng(0)
_VOICE = chirp(1.0, _RATE)
_NOISE = (_CHANCE.standard_normal((6, _RATE)) * 0.1).astype(np.float32)
_KINDS = [
    ("flac", "flac"),
    ("wav", "pcm_u8"),
    ("wav", "pcm_s16le"),
    ("wav", "pcm_s32le"),
    ("wav", "pcm_f32le"),
    ("mp3", "libmp3lame"),
    ("mp4", "aac"),
    ("webm", "libopus"),
]


def _power(samples: FloatArray) -> float:
    return float(np.square(samples, dtype=np.float64).mean())


def _mono(
    planes: Sequence[FloatArray], container: str = "wav", codec: str = "pcm_f32le"
) -> FloatArray:
    return decode(encoded_planes(np.stack(planes), container, codec, _RATE), _LIMITS).samples


def _as_good_as_the_voice(samples: FloatArray) -> None:
    assert likeness(samples, chirp()) > 0.97
    assert 0.7 < _power(samples) / _power(chirp()) < 1.4


@pytest.mark.parametrize(("container", "codec"), _KINDS)
def test_a_channel_in_opposite_phase_cancels_nothing(container: str, codec: str) -> None:
    _as_good_as_the_voice(_mono([_VOICE, -_VOICE], container, codec))
    _as_good_as_the_voice(_mono([_VOICE, -0.8 * _VOICE], container, codec))


@pytest.mark.parametrize(("container", "codec"), _KINDS)
@pytest.mark.parametrize("place", [0, 1])
def test_a_silent_channel_costs_no_loudness(place: int, container: str, codec: str) -> None:
    planes = [np.zeros_like(_VOICE)] * 2
    planes[place] = _VOICE
    _as_good_as_the_voice(_mono(planes, container, codec))


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("mp4", "aac")])
@pytest.mark.parametrize("place", range(6))
def test_a_voice_in_one_of_six_channels_is_heard(place: int, container: str, codec: str) -> None:
    if (place, codec) == (3, "aac"):
        pytest.skip("AAC keeps only the lowest sounds of this channel")
    planes = list(_NOISE * 0.01)
    planes[place] = _VOICE
    _as_good_as_the_voice(_mono(planes, container, codec))


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("wav", "pcm_s16le")])
def test_a_voice_in_one_of_eight_channels_is_heard(container: str, codec: str) -> None:
    planes = [np.zeros_like(_VOICE)] * 8
    planes[2] = _VOICE
    _as_good_as_the_voice(_mono(planes, container, codec))


def test_more_channels_apart_than_can_be_read_are_refused() -> None:
    planes = np.stack([_VOICE] * 16)
    assert decode(encoded_planes(planes, "wav", "pcm_s16le", _RATE), _LIMITS).seconds == 1.0
    with pytest.raises(UndecodableAudio, match="it claims 16 channels"):
        decode(encoded_planes(planes, "mp4", "aac", _RATE), _LIMITS)


def test_two_of_six_channels_in_opposite_phase_cancel_nothing() -> None:
    planes = list(_NOISE * 0.05)
    planes[0], planes[1] = _VOICE, -_VOICE
    _as_good_as_the_voice(_mono(planes))


def test_what_is_constant_does_not_hide_that_the_sound_cancels() -> None:
    heard = _mono([0.4 * _VOICE + 0.5, -0.4 * _VOICE + 0.5])
    assert likeness(heard - heard.mean(), chirp()) > 0.97


def test_noise_that_channels_share_does_not_hide_that_the_voice_cancels() -> None:
    assert likeness(_mono([_VOICE + _NOISE[0], -_VOICE + _NOISE[0]]), chirp()) > 0.9


@pytest.mark.parametrize("signs", [[1], [1, 1], [1, -1], [1, -1, 1]])
@pytest.mark.parametrize("loudness", [2.0, 5.0])
def test_a_louder_noise_does_not_take_the_place_of_the_voice(
    loudness: float, signs: list[float]
) -> None:
    noise = loudness * _NOISE[0]
    voices = [0.3 * sign * _VOICE for sign in signs]
    mean = (0.3 * len(signs) * _VOICE + noise) / (1 + len(signs))
    assert likeness(_mono([noise, *voices]), chirp()) > 0.9 * likeness(mean, _VOICE)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_that_agree_are_averaged_exactly(channels: int) -> None:
    gains = np.linspace(0.8, 1.0, channels, dtype=np.float32)
    planes = [gain * _VOICE + noise / 10 for gain, noise in zip(gains, _NOISE, strict=False)]
    mean = np.mean(planes, axis=0, dtype=np.float32)
    heard = decode(encoded_planes(np.stack(planes), "wav", "pcm_f32le", _RATE), _AS_IT_IS).samples
    np.testing.assert_array_equal(heard, mean)


_GAINS = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=16).filter(
    lambda gains: max(abs(gain) for gain in gains) > 0.01
)


@settings(max_examples=150)
@given(_GAINS, st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_the_loudest_channel_keeps_a_fair_share_of_its_energy(
    gains: list[float], alike: float, seed: int
) -> None:
    own = np.random.default_rng(seed).standard_normal((len(gains), 4_000)) * 0.2
    voice = chirp(0.25)
    planes = (np.array(gains)[:, None] * (alike * voice + (1 - alike) * own)).astype(np.float32)
    data = wav_bytes(np.ascontiguousarray(planes.T).tobytes(), 16_000, len(gains), 32, 3)
    samples = decode(data, _LIMITS).samples
    assert _power(samples) >= 0.35 * max(_power(plane) for plane in planes)
    np.testing.assert_array_equal(decode(data, _LIMITS).samples, samples)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0)])
def test_each_stretch_of_a_recording_is_mixed_by_itself(order: tuple[int, ...]) -> None:
    takes = [
        encoded_planes(np.stack(planes), "ogg", "flac", _RATE)
        for planes in ([_VOICE, -_VOICE], [_VOICE])
    ]
    samples = decode(b"".join(takes[place] for place in order), _LIMITS).samples
    assert len(samples) == 16_000 * len(order)
    for take in np.split(samples, len(order)):
        _as_good_as_the_voice(take)


def test_channels_that_cancel_take_no_more_memory_than_others() -> None:
    planes = np.tile(_VOICE, 60) * np.array([1, -1, 1, -1, 1, -1], np.float32)[:, None]
    data = encoded_planes(planes, "flac", "flac", _RATE)
    del planes
    before = peak_kib_from_now()
    decode(data, _LIMITS)
    # As much as channels that agree; all of them together would take 69,000 more.
    assert peak_kib() - before < 100_000


@pytest.mark.parametrize("signs", [[1, -1], [1, -1] * 8 + [0.5], [0] * 16 + [1]])
def test_what_pydub_reads_is_mixed_alike(signs: list[float]) -> None:
    planes = chirp()[:, None] * np.array(signs)
    data = wav_bytes((planes * 32_767).astype("<i2").tobytes(), 16_000, len(signs), code=0xFFFE)
    _as_good_as_the_voice(decode(data, _LIMITS).samples)


@pytest.mark.parametrize("signs", [[1, -1], [0, 0, 1, 0, 0, 0], [1, 1]])
def test_what_the_systems_ffmpeg_reads_is_mixed_alike(signs: list[float]) -> None:
    planes = _VOICE * np.array(signs, np.float32)[:, None]
    data = encoded_planes(planes, "flac", "flac", _RATE)
    waveform = decode_behind(data, 5.0, ValueError("refused"))
    assert likeness(waveform.samples, _VOICE) > 0.97
    assert 0.7 < _power(waveform.samples) / _power(_VOICE) < 1.4


def test_the_same_sound_in_one_channel_stays_as_it_is() -> None:
    np.testing.assert_allclose(decode(encoded(chirp()), _LIMITS).samples, chirp(), atol=1e-4)
