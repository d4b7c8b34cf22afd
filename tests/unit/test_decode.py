from __future__ import annotations

import logging
import os
import struct
from pathlib import Path
from unittest import mock

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray, Waveform
from audio_score_server.errors import (
    AudioError,
    EmptyAudio,
    TooLongAudio,
    TooShortAudio,
    UndecodableAudio,
)
from tests.support import (
    chirp,
    encoded,
    encoded_blocks,
    encoded_by_ffmpeg,
    likeness,
    of_ogg_stream,
    ogg_pages,
    peak_kib,
    peak_kib_from_now,
    video_without_sound,
    wav_bytes,
)

_LIMITS = DecodeLimits(sampling_rate=16_000, min_seconds=0.2, max_seconds=5.0)
_ODD_RATES = (8_000, 11_025, 22_050, 44_100, 48_000, 96_000)
_LOSSLESS = [
    ("wav", "pcm_u8"),
    ("wav", "pcm_s16le"),
    ("wav", "pcm_s24le"),
    ("wav", "pcm_s32le"),
    ("wav", "pcm_f32le"),
    ("w64", "pcm_s16le"),
    ("aiff", "pcm_s16be"),
    ("caf", "pcm_s16le"),
    ("au", "pcm_s16be"),
    ("mov", "pcm_s16le"),
    ("flac", "flac"),
    ("ogg", "flac"),
]
_LOSSY = [
    ("mp3", "libmp3lame", (8_000, 11_025, 22_050, 44_100, 48_000), (1, 2)),
    ("ipod", "aac", _ODD_RATES, (1, 2, 6)),
    ("mp4", "aac", _ODD_RATES, (1, 2, 6)),
    ("mov", "aac", _ODD_RATES, (1, 2, 6)),
    ("adts", "aac", _ODD_RATES, (1, 2, 6)),
    ("webm", "libopus", (8_000, 48_000), (1, 2, 6)),
    ("ogg", "libopus", (8_000, 48_000), (1, 2, 6)),
    ("amr", "libopencore_amrnb", (8_000,), (1,)),
    ("3gp", "libopencore_amrnb", (8_000,), (1,)),
]


def _pcm(samples: FloatArray) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def _assert_waveform(waveform: Waveform, seconds: float, tolerance: float) -> None:
    assert waveform.sampling_rate == 16_000
    assert waveform.samples.dtype == np.float32
    assert waveform.samples.ndim == 1
    assert np.isfinite(waveform.samples).all()
    assert waveform.seconds == pytest.approx(seconds, abs=tolerance)


@pytest.mark.parametrize(("container", "codec"), _LOSSLESS)
def test_lossless_sound_comes_out_as_it_went_in(container: str, codec: str) -> None:
    waveform = decode(encoded(chirp(), container, codec), _LIMITS)
    _assert_waveform(waveform, 1.0, 0.0)
    step = 1 / 100 if codec == "pcm_u8" else 1 / 16_000
    np.testing.assert_allclose(waveform.samples, chirp(), atol=step)


@pytest.mark.parametrize("rate", _ODD_RATES)
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
def test_every_rate_comes_out_at_the_target_rate(codec: str, rate: int) -> None:
    waveform = decode(encoded(chirp(1.0, rate), "wav", codec, rate), _LIMITS)
    _assert_waveform(waveform, 1.0, 1e-3)
    inner = slice(200, 15_000)
    np.testing.assert_allclose(waveform.samples[inner], chirp()[inner], atol=0.02)


@pytest.mark.parametrize(
    ("container", "codec", "rate", "channels"),
    [
        (container, codec, rate, channels)
        for container, codec, rates, counts in _LOSSY
        for rate in rates
        for channels in counts
    ],
)
def test_lossy_sound_comes_out_alike(container: str, codec: str, rate: int, channels: int) -> None:
    # One frame of the codec at each end, and the encoder's delay, may be added.
    waveform = decode(encoded(chirp(1.0, rate), container, codec, rate, channels), _LIMITS)
    _assert_waveform(waveform, 1.0, 2_048 / rate)
    assert likeness(waveform.samples, chirp()) > 0.85


@pytest.mark.parametrize("arguments", [("-ac", "1"), ("-ac", "2"), ("-ar", "48000")])
def test_vorbis_comes_out_alike(arguments: tuple[str, ...]) -> None:
    data = encoded_by_ffmpeg(chirp(), 16_000, "-c:a", "libvorbis", *arguments, "-f", "ogg")
    waveform = decode(data, _LIMITS)
    _assert_waveform(waveform, 1.0, 0.03)
    assert likeness(waveform.samples, chirp()) > 0.95


@pytest.mark.parametrize("channels", [2, 6])
@pytest.mark.parametrize(
    ("container", "codec"), [("wav", "pcm_s16le"), ("wav", "pcm_f32le"), ("flac", "flac")]
)
def test_the_same_sound_in_every_channel_is_as_loud_as_in_one(
    container: str, codec: str, channels: int
) -> None:
    waveform = decode(encoded(chirp(), container, codec, channels=channels), _LIMITS)
    np.testing.assert_allclose(waveform.samples, chirp(), atol=2e-3)


def test_every_channel_is_heard() -> None:
    low, high = chirp(), chirp(lowest=2_900.0)
    both = np.stack([low, high], axis=1)
    mixed = decode(wav_bytes(_pcm(both), 16_000, channels=2), _LIMITS).samples
    assert likeness(mixed, low) > 0.6
    assert likeness(mixed, high) > 0.6


def test_the_sound_of_a_film_is_used() -> None:
    film = Path(__file__).parents[2] / "video_clip" / "RiverTales-s01e01_part01.mov"
    waveform = decode(film.read_bytes(), DecodeLimits(16_000, 0.2, 60.0))
    assert waveform.samples.std() > 0.01


@pytest.mark.parametrize("target", [8_000, 22_050, 48_000])
def test_the_target_rate_may_differ(target: int) -> None:
    waveform = decode(encoded(chirp()), DecodeLimits(target, 0.2, 5.0))
    assert waveform.sampling_rate == target
    assert waveform.seconds == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("mp3", "libmp3lame"),
        ("flac", "flac"),
        ("ogg", "libopus"),
        ("webm", "libopus"),
        ("adts", "aac"),
        ("mpegts", "aac"),
    ],
)
def test_a_truncated_file_keeps_what_came_before(container: str, codec: str) -> None:
    rate = 48_000 if codec == "libopus" else 16_000
    data = encoded(chirp(4.0, rate), container, codec, rate)
    waveform = decode(data[: len(data) // 2], _LIMITS)
    assert 1.0 < waveform.seconds < 3.0
    whole = decode(data, _LIMITS)
    kept = waveform.samples[:12_000]
    assert likeness(kept, whole.samples[: len(kept)]) > 0.99


def test_a_recorder_that_was_killed_leaves_a_usable_wav() -> None:
    for claimed in (0, 2**32 - 1):
        waveform = decode(wav_bytes(_pcm(chirp()), 16_000, claimed=claimed), _LIMITS)
        _assert_waveform(waveform, 1.0, 0.0)


def test_no_bytes_are_empty() -> None:
    with pytest.raises(EmptyAudio, match="0 bytes"):
        decode(b"", _LIMITS)


_JUNK = {
    "text": b"hello " * 1_000,
    "one byte": b"x",
    "zeros": bytes(100_000),
    "noise": np.random.default_rng(0).bytes(50_000),
    "pdf": b"%PDF-1.7\n" * 100,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "page": b"<!DOCTYPE html><html></html>",
    "riff alone": b"RIFF",
    "riff noise": b"RIFF" + np.random.default_rng(1).bytes(5_000),
    "ogg noise": b"OggS" + np.random.default_rng(2).bytes(5_000),
    "mp4 head": b"\0\0\0\x18ftypmp42" + bytes(100),
    "id3 noise": b"ID3\x04\0\0\0\0\0\0" + b"noise" * 1_000,
}


@pytest.mark.parametrize("name", _JUNK)
def test_junk_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(UndecodableAudio, match=r"cannot be decoded: .+\. Send a whole audio file"):
        decode(_JUNK[name], _LIMITS)


def test_a_film_without_sound_is_refused() -> None:
    with pytest.raises(UndecodableAudio, match="no audio track"):
        decode(video_without_sound(), _LIMITS)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "libopus"), ("mov", "pcm_s16le")])
def test_an_unknown_codec_is_refused(container: str, codec: str) -> None:
    data = encoded(chirp(), container, codec)
    strange = data.replace(b"A_OPUS", b"A_XYZZ").replace(b"sowt", b"xyzz")
    assert strange != data
    with pytest.raises(UndecodableAudio):
        decode(strange, _LIMITS)


def test_a_header_without_sound_is_refused() -> None:
    for data in (wav_bytes(b"", 16_000), encoded(np.zeros(0, np.float32))):
        with pytest.raises(AudioError):
            decode(data, _LIMITS)


def test_less_than_the_shortest_recording_is_refused_with_both_lengths() -> None:
    with pytest.raises(TooShortAudio, match=r"0\.10 s of sound, at least 0\.2 s"):
        decode(encoded(chirp(0.1)), _LIMITS)


def test_the_bounds_themselves_are_admissible() -> None:
    for seconds in (0.2, 2.0, 5.0, 7.0, 30.0):
        limits = DecodeLimits(16_000, seconds, seconds)
        assert decode(encoded(chirp(seconds)), limits).seconds == seconds


def test_more_than_the_longest_recording_is_refused_with_the_limit() -> None:
    with pytest.raises(TooLongAudio, match=r"more than 5 s.*AUDIO_SCORE_MAX_AUDIO_SECONDS"):
        decode(encoded(chirp(5.1)), _LIMITS)


def test_a_small_file_that_unpacks_to_an_hour_is_refused_before_it_does() -> None:
    rate = 16_000
    blocks = (np.zeros(65_536, np.float32) for _ in range(3_600 * rate // 65_536))
    bomb = encoded_blocks(blocks, "flac", "flac", rate)
    assert len(bomb) < 2_000_000
    before = peak_kib_from_now()
    with pytest.raises(TooLongAudio):
        decode(bomb, _LIMITS)
    # Decoded as a whole it takes more than 200,000.
    assert peak_kib() - before < 50_000


@pytest.fixture
def outer_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that lists the commands of the system that are started to decode."""
    started = tmp_path / "started"
    for name in ("ffmpeg", "ffprobe"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> {started}\nexit 1\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return started


def test_a_file_that_claims_an_absurd_rate_goes_to_no_other_decoder(outer_decoder: Path) -> None:
    # 20 kB can hold minutes of six channels at 655,350 Hz: gigabytes, if decoded as they stand.
    data = encoded(np.zeros(655_350, np.float32), "flac", "flac", 655_350, 6)
    with pytest.raises(UndecodableAudio, match="655350 Hz"):
        decode(data, _LIMITS)
    assert not outer_decoder.exists()


def test_a_film_without_sound_goes_to_no_other_decoder(outer_decoder: Path) -> None:
    with pytest.raises(UndecodableAudio):
        decode(video_without_sound(), _LIMITS)
    assert not outer_decoder.exists()


@pytest.mark.parametrize("rate", [0, 1, 100, 3_999, 384_001, 2**31 - 1, 2**31, 4_000_000_000])
def test_an_absurd_rate_is_refused(rate: int) -> None:
    with pytest.raises(UndecodableAudio):
        decode(wav_bytes(_pcm(chirp()), rate), _LIMITS)


@pytest.mark.parametrize("rate", [4_000, 8_001, 47_999, 48_001, 96_001, 191_999])
def test_an_odd_but_possible_rate_is_resampled(rate: int) -> None:
    waveform = decode(wav_bytes(_pcm(chirp(1.0, rate)), rate), _LIMITS)
    _assert_waveform(waveform, 1.0, 1e-3)


def test_numbers_that_are_none_become_silence() -> None:
    samples = chirp().copy()
    samples[[1_000, 2_000, 3_000]] = np.nan, np.inf, -np.inf
    data = wav_bytes(samples.tobytes(), 16_000, bits=32, code=3)
    heard = decode(data, _LIMITS).samples
    samples[[1_000, 2_000, 3_000]] = 0.0
    np.testing.assert_array_equal(heard, samples)


@pytest.mark.parametrize("left", [np.nan, np.inf, 3e38, 1e300])
@pytest.mark.parametrize("right", [None, 0.0, -np.inf, 3e38])
@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("bits", [32, 64])
def test_a_float_file_of_the_worst_numbers_stays_finite(
    left: float, right: float | None, rate: int, bits: int
) -> None:
    channels = [left] if right is None else [left, right]
    with np.errstate(over="ignore"):
        samples = np.full((rate, len(channels)), channels).astype(f"f{bits // 8}")
    waveform = decode(wav_bytes(samples.tobytes(), rate, len(channels), bits, 3), _LIMITS)
    _assert_waveform(waveform, 1.0, 0.0)
    assert np.abs(waveform.samples).max() <= 10.0


_TARGET = Path(__file__).parents[2] / "audio_clip" / "RiverTales-s01e01_part01_half.wav"
_PLAYLISTS = {
    "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{_TARGET}\n#EXT-X-ENDLIST\n",
    "m3u8 address": f"#EXTM3U\n#EXTINF:9,\nfile://{_TARGET}\n#EXT-X-ENDLIST\n",
    "concat": f"ffconcat version 1.0\nfile '{_TARGET}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
}
_SESSION = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"
_HEADS = {
    "": b"",
    "id3": b"ID3\x03\0\0\0\0\0\0",
    "riff": b"RIFF",
    "ogg": b"OggS",
    "amr": b"#!AMR\n",
}


@pytest.mark.parametrize("head", _HEADS)
@pytest.mark.parametrize("name", _PLAYLISTS)
def test_a_playlist_is_refused(name: str, head: str) -> None:
    # After some heads the text is taken for damaged sound, of no length worth speaking of.
    with pytest.raises((UndecodableAudio, TooShortAudio)):
        decode(_HEADS[head] + _PLAYLISTS[name].encode(), _LIMITS)


@pytest.mark.parametrize("head", _HEADS)
def test_no_program_is_left_to_guess_what_an_upload_is(head: str, outer_decoder: Path) -> None:
    # ffprobe, asked to guess, takes this for a session and listens on the server's network.
    with pytest.raises((UndecodableAudio, TooShortAudio)):
        decode(_HEADS[head] + _SESSION.encode(), _LIMITS)
    if outer_decoder.exists():
        for command in outer_decoder.read_text().splitlines():
            assert " -f " in command


def test_an_extensible_wav_without_its_extension_is_read_by_pydub() -> None:
    waveform = decode(wav_bytes(_pcm(chirp()), 16_000, code=0xFFFE), _LIMITS)
    _assert_waveform(waveform, 1.0, 0.0)
    np.testing.assert_allclose(waveform.samples, chirp(), atol=1e-3)


def test_a_wav_of_more_channels_than_pyav_takes_is_read_by_pydub() -> None:
    every = np.repeat(chirp()[:, None], 17, axis=1)
    waveform = decode(wav_bytes(_pcm(every), 16_000, channels=17), _LIMITS)
    np.testing.assert_allclose(waveform.samples, chirp(), atol=1e-3)


def test_pydub_keeps_to_the_limits() -> None:
    with pytest.raises(TooLongAudio):
        decode(wav_bytes(_pcm(chirp(5.5)), 16_000, code=0xFFFE), _LIMITS)
    with pytest.raises(TooShortAudio):
        decode(wav_bytes(_pcm(chirp(0.1)), 16_000, code=0xFFFE), _LIMITS)


@pytest.mark.parametrize("bits", [0, 1, 7, 12, 20, 40, 48, 64, 128, 65_535])
@pytest.mark.parametrize("channels", [0, 1, 17])
def test_an_odd_wav_is_read_or_refused(bits: int, channels: int) -> None:
    data = wav_bytes(_pcm(chirp()), 16_000, channels=channels, bits=bits, code=1)
    _read_or_refused(data)


def test_a_wav_whose_title_claims_gigabytes_does_not_take_them() -> None:
    info = b"LIST" + struct.pack("<I", 2**32 - 16) + b"INFOISFT" + struct.pack("<I", 2**31 - 100)
    sound = wav_bytes(_pcm(chirp()), 16_000)
    before = peak_kib_from_now()
    _read_or_refused(sound[:36] + info + sound[36:])
    assert peak_kib() - before < 500_000


def _read_or_refused(data: bytes) -> None:
    limits = DecodeLimits(16_000, 0.05, 2.0)
    try:
        waveform = decode(data, limits)
    except AudioError:
        return
    assert waveform.sampling_rate == 16_000
    assert waveform.samples.dtype == np.float32
    assert np.isfinite(waveform.samples).all()
    assert np.abs(waveform.samples).max(initial=0.0) <= 10.0
    assert 0.049 <= waveform.seconds <= 2.01


_HARD = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
_VALID = {
    name: encoded(chirp(0.25, rate), name, codec, rate)
    for name, codec, rate in (
        ("wav", "pcm_s16le", 16_000),
        ("mp3", "libmp3lame", 16_000),
        ("mp4", "aac", 16_000),
        ("mov", "pcm_s16le", 16_000),
        ("webm", "libopus", 16_000),
        ("ogg", "libopus", 16_000),
        ("flac", "flac", 16_000),
        ("adts", "aac", 16_000),
        ("amr", "libopencore_amrnb", 8_000),
        ("caf", "pcm_s16le", 16_000),
        ("avi", "pcm_s16le", 16_000),
    )
}
_PLACES = st.integers(0, 120) | st.integers(0, 10_000)
_SPLICES = st.binary(max_size=4) | st.sampled_from(
    [struct.pack("<I", value) for value in (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 384_000)]
)


@_HARD
@given(st.binary(max_size=300), st.sampled_from([b"", *(data[:12] for data in _VALID.values())]))
def test_random_bytes_are_read_or_refused(tail: bytes, head: bytes) -> None:
    # Without programs of the system: starting one for each example takes minutes.
    with mock.patch.dict(os.environ, PATH=""):
        _read_or_refused(head + tail)


@_HARD
@given(
    st.sampled_from(sorted(_VALID)),
    st.lists(st.tuples(_PLACES, st.integers(0, 6), _SPLICES), max_size=6),
    st.integers(0, 10_000),
)
@example("wav", [(34, 2, b"\x28\x00")], 0)  # 40 bits a sample
@example("wav", [(20, 1, b"\xfe"), (21, 1, b"\xff"), (34, 2, b"\x28\x00")], 0)
@example("wav", [(22, 1, b"\x11"), (32, 1, b"\x11")], 0)  # 17 channels, half a frame left over
def test_damaged_files_are_read_or_refused(
    name: str, splices: list[tuple[int, int, bytes]], cut: int
) -> None:
    data = bytearray(_VALID[name])
    for place, removed, inserted in splices:
        data[place : place + removed] = inserted
    with mock.patch.dict(os.environ, PATH=""):
        _read_or_refused(bytes(data[: len(data) - cut] if cut < len(data) else data))


def test_a_stream_that_nothing_announced_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    take = encoded(chirp(1.0, 48_000), "ogg", "libopus", 48_000)
    first, *rest = ogg_pages(take)
    # The page which begins a stream has one serial number, all others have another.
    data = take + first + b"".join(of_ogg_stream(page, b"new!") for page in rest)
    with caplog.at_level(logging.DEBUG), pytest.raises(UndecodableAudio, match="damaged"):
        decode(data, _LIMITS)
    # A fault of ours would look the same to the client.
    assert any(record.exc_info for record in caplog.records)


def test_what_programs_behind_the_first_raise_is_kept_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(UndecodableAudio):
        decode(b"RIFF alone", _LIMITS)
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("error", [RuntimeError, AssertionError, TypeError, ZeroDivisionError])
def test_whatever_a_decoder_raises_is_a_refusal(error: type[Exception]) -> None:
    broken = mock.patch.object(av, "open", side_effect=error("inside the decoder"))
    with broken, pytest.raises(UndecodableAudio):
        decode(wav_bytes(_pcm(chirp()), 16_000), _LIMITS)
