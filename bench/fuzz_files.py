"""Whole files for ``bench.fuzz`` to damage: one short recording in every format there is."""

from __future__ import annotations

from typing import Final

from bench.demo import DEMO_RECORDINGS
from bench.recordings import Format, demo_sound, encode_as

_SECONDS: Final = 1.2
_EXPERIMENT: Final = (("strict", "experimental"),)
_FRAGMENTS: Final = (("movflags", "frag_keyframe+empty_moov"),)
FORMATS: Final = {
    "wav": Format("wav", "pcm_s16le"),
    "wav-u8": Format("wav", "pcm_u8", rate=8_000),
    "wav-s24": Format("wav", "pcm_s24le", layout="stereo", rate=44_100),
    "wav-f32": Format("wav", "pcm_f32le"),
    "wav-f64-5.1": Format("wav", "pcm_f64le", layout="5.1", rate=8_000),
    "wav-mulaw": Format("wav", "pcm_mulaw", rate=8_000),
    "wav-ima": Format("wav", "adpcm_ima_wav", rate=22_050),
    "wav-ms": Format("wav", "adpcm_ms", layout="stereo", rate=11_025),
    "wav-mp3": Format("wav", "libmp3lame", rate=16_000),
    "rf64": Format("wav", "pcm_s16le", container_options=(("rf64", "always"),)),
    "w64": Format("w64", "pcm_s16le", rate=32_000),
    "aiff": Format("aiff", "pcm_s16be", layout="stereo", rate=44_100),
    "au": Format("au", "pcm_s16be", rate=8_000),
    "caf": Format("caf", "pcm_s16be"),
    "caf-alac": Format("caf", "alac", rate=44_100),
    "mp3": Format("mp3", "libmp3lame", layout="stereo", rate=44_100),
    "mp2": Format("mp2", "mp2", rate=44_100),
    "aac": Format("adts", "aac"),
    "ac3": Format("ac3", "ac3", layout="5.1"),
    "m4a": Format("ipod", "aac", rate=44_100),
    "m4a-alac": Format("ipod", "alac", layout="stereo", rate=44_100),
    "mp4": Format("mp4", "aac", pictures=True),
    "mp4-fragments": Format("mp4", "aac", container_options=_FRAGMENTS),
    "mp4-5.1": Format("mp4", "ac3", layout="5.1"),
    "mov": Format("mov", "pcm_s16be", pictures=True),
    "mov-ima": Format("mov", "adpcm_ima_qt", rate=44_100),
    "3gp": Format("3gp", "libopencore_amrnb", rate=8_000),
    "3g2": Format("3g2", "aac", rate=16_000),
    "webm": Format("webm", "libopus"),
    "webm-vorbis": Format("webm", "vorbis", _EXPERIMENT, layout="stereo"),
    "mkv": Format("matroska", "flac", pictures=True),
    "mkv-pcm": Format("matroska", "pcm_s16le", layout="stereo", rate=16_000),
    "ogg": Format("ogg", "vorbis", _EXPERIMENT, layout="stereo", rate=44_100),
    "ogg-opus": Format("ogg", "libopus"),
    "ogg-opus-7.1": Format("ogg", "libopus", (("mapping_family", "1"),), layout="7.1"),
    "ogg-flac": Format("ogg", "flac", rate=16_000),
    "flac": Format("flac", "flac", layout="stereo", rate=44_100),
    "amr": Format("amr", "libopencore_amrnb", rate=8_000),
    "wma": Format("asf", "wmav2", (("b", "64000"),), layout="stereo", rate=44_100),
    "avi": Format("avi", "libmp3lame", pictures=True, rate=44_100),
    "ts": Format("mpegts", "aac"),
    "ts-ac3": Format("mpegts", "ac3", layout="stereo"),
    "mpeg": Format("vob", "mp2"),
    "flv": Format("flv", "aac", rate=44_100),
    "wv": Format("wv", "wavpack", rate=44_100),
}
"""Name to format: what phones, browsers, studios and old machines write. AC-3 and WavPack without
a container around them are refused."""


def whole_files() -> dict[str, bytes]:
    """Name of each format to its file, of the same 1.2 s of a demo recording."""
    sound = demo_sound(sorted(DEMO_RECORDINGS.glob("*_right.*"))[0], _SECONDS)
    return {name: encode_as(sound, form) for name, form in FORMATS.items()}
