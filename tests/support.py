"""Sounds, clips and references that several test files need, made while the tests run."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import subprocess
from collections.abc import AsyncGenerator, Hashable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO, Final

import av
import numpy as np
import torch
from av.stream import Disposition

from audio_score_server.domain import (
    Alignment,
    Contours,
    EncoderFeatures,
    FloatArray,
    HeardPhone,
    Reference,
    Transcript,
)
from audio_score_server.language.phones import BLANK, PHONES, phone_indices
from audio_score_server.library.clip import Clip, ClipChanged, ClipId, Library
from audio_score_server.library.folder import FolderSource

LAYOUTS: Final = {
    **{1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 6: "5.1", 8: "7.1", 16: "hexadecagonal"}
}


def chirp(seconds: float = 1.0, rate: int = 16_000, lowest: float = 200.0) -> FloatArray:
    """A sweep up to 3 kHz, half of full scale: where it is in time shows in its pitch."""
    times = np.arange(round(seconds * rate)) / rate
    slope = (3_000.0 - lowest) / seconds
    phase = 2 * np.pi * (lowest * times + slope * times**2 / 2)
    return (0.5 * np.sin(phase)).astype(np.float32)


def likeness(samples: FloatArray, expected: FloatArray) -> float:
    """Cosine at the best shift, whatever the loudness: codecs delay what they write."""
    size = 2 ** (len(samples) + len(expected)).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(expected, size).conj()
    lengths = np.linalg.norm(samples) * np.linalg.norm(expected)
    return float(np.fft.irfft(spectrum, size).max() / lengths)


def encoded(
    samples: FloatArray,
    container: str = "wav",
    codec: str = "pcm_s16le",
    rate: int = 16_000,
    channels: int = 1,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """A file with the same samples in every channel."""
    blocks = (samples[start : start + 4_096] for start in range(0, len(samples), 4_096))
    return encoded_blocks(blocks, container, codec, rate, channels, options)


def encoded_blocks(
    blocks: Iterable[FloatArray],
    container: str,
    codec: str,
    rate: int,
    channels: int = 1,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """A file of blocks that need not be in memory together, the same in every channel."""
    planes = (np.repeat(block[None, :], channels, axis=0) for block in blocks)
    return _encoded(planes, container, codec, rate, channels, options)


def encoded_planes(planes: FloatArray, container: str, codec: str, rate: int) -> bytes:
    """A file of channels that differ, ``[channels, samples]``."""
    starts = range(0, planes.shape[1], 4_096)
    blocks = (planes[:, start : start + 4_096] for start in starts)
    return _encoded(blocks, container, codec, rate, len(planes), None)


def _encoded(
    blocks: Iterable[FloatArray],
    container: str,
    codec: str,
    rate: int,
    channels: int,
    options: Mapping[str, str] | None,
) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, options=dict(options or {}))
        assert isinstance(stream, av.AudioStream)
        stream.layout = LAYOUTS[channels]
        time = 0
        for block in blocks:
            # Channels in turn: of eight apart, PyAV fills nine.
            values = np.ascontiguousarray(block.T, np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(values, format="flt", layout=LAYOUTS[channels])
            frame.sample_rate = rate
            frame.pts = time
            time += block.shape[1]
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def encoded_tracks(
    tracks: Iterable[FloatArray], container: str, codec: str, rate: int, preferred: int = 0
) -> bytes:
    """A file of several tracks, ``[samples]`` or ``[channels, samples]``, one of them preferred."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        pairs = []
        for number, track in enumerate(tracks):
            stream = output.add_stream(codec, rate=rate)
            assert isinstance(stream, av.AudioStream)
            stream.disposition = Disposition.default if number == preferred else Disposition(0)
            planes = np.atleast_2d(track).astype(np.float32)
            stream.layout = LAYOUTS[len(planes)]
            pairs.append((stream, planes))
        for stream, planes in pairs:
            layout = LAYOUTS[len(planes)]
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, 0
            output.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def encoded_by_ffmpeg(samples: FloatArray, rate: int, *arguments: str) -> bytes:
    """For codecs that PyAV's own FFmpeg reads but does not write."""
    command = [
        *("ffmpeg", "-v", "error", "-f", "f32le", "-ar", str(rate), "-ac", "1", "-i", "pipe:0"),
        *(*arguments, "pipe:1"),
    ]
    return subprocess.run(command, input=samples.tobytes(), capture_output=True, check=True).stdout


def video_without_sound() -> bytes:
    """A short film of grey frames."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(10):
            picture = np.full((32, 32, 3), 128, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def wav_bytes(
    data: bytes, rate: int, channels: int = 1, bits: int = 16, code: int = 1, claimed: int = -1
) -> bytes:
    """A WAV file with any header, true or not; ``claimed`` is the size the data chunk states."""
    width = channels * bits // 8
    size = len(data) if claimed < 0 else claimed
    header = struct.pack(
        "<HHIIHH", code, channels, rate, (rate * width) % 2**32, width % 2**16, bits
    )
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header
    body += b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", (len(body) + size - len(data)) % 2**32) + body


def ogg_pages(data: bytes) -> list[bytes]:
    """The pages of an Ogg file, in order."""
    pages = []
    while data:
        lengths = data[27 : 27 + data[26]]
        size = 27 + len(lengths) + sum(lengths)
        pages.append(data[:size])
        data = data[size:]
    return pages


def of_ogg_stream(page: bytes, serial: bytes) -> bytes:
    """The page as one of the stream with that serial number, its checksum right."""
    page = page[:14] + serial + page[18:22] + bytes(4) + page[26:]
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    return page[:22] + struct.pack("<I", checksum) + page[26:]


def peak_kib_from_now() -> int:
    """Forget the highest mark of this process's memory so far."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kib()


def peak_kib() -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def make_clip(folder: Path, name: str = "film_1.wav", text: str | None = "hello") -> Clip:
    """A clip file of a second, with its text beside it, as its folder has it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(encoded(chirp()))
    if text is not None:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return rescanned(path)


class MemorySource:
    """Clips in memory, as a bucket would have them: a clip source without files."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str, str | None]] = {}
        """Name to content, version and text."""
        self._told = asyncio.Event()

    def library(self) -> Library:
        return Library([self.clip(name) for name in self.files])

    def clip(self, name: str) -> Clip:
        content, version, text = self.files[name]
        uid, _, cid = name.rpartition(".")[0].rpartition("_")
        return Clip(ClipId(uid, cid), self, name, len(content), version, text)

    def read(self, clip: Clip) -> bytes:
        content, version, _ = self.files.get(clip.name, (b"", None, None))
        if version != clip.version:
            raise ClipChanged("the clip has changed since it was found")
        return content

    def open(self, clip: Clip) -> BinaryIO:
        return io.BytesIO(self.read(clip))

    def find(self, clip_id: ClipId) -> Clip | None:
        return self.library().get(clip_id)

    def revision(self) -> Hashable:
        return tuple(sorted((name, version) for name, (_, version, _) in self.files.items()))

    def tell(self) -> None:
        """Say that clips have changed."""
        self._told.set()

    async def changes(self) -> AsyncGenerator[None, None]:
        while True:
            await self._told.wait()
            self._told.clear()
            yield


def named_clip(cid: str, text: str | None = None) -> Clip:
    """A clip of which nothing but the name matters."""
    return Clip(ClipId("film", cid), MemorySource(), f"film_{cid}.wav", 1, "1", text)


def path_of(clip: Clip) -> Path:
    """Where a clip of a folder is."""
    assert isinstance(clip.source, FolderSource)
    return clip.source.folder / clip.name


def rescanned(path: Path) -> Clip:
    """The clip as it is on disk now."""
    uid, _, cid = path.stem.rpartition("_")
    return FolderSource(path.parent).library().find(uid, cid)


def make_reference(seed: int = 0, frames: int = 50) -> Reference:
    """Random features that half precision holds exactly."""
    chance = np.random.default_rng(seed)
    values = chance.standard_normal((frames, 8)).astype(np.float16).astype(np.float32)
    features = EncoderFeatures(values, (chance.random(frames) > 0.3).astype(np.float32), 50.0)
    return Reference(features, Transcript("hello wörld", "word"), make_contours(chance), ALIGNED)


def make_contours(chance: np.random.Generator, steps: int = 30) -> Contours:
    """Random ones that half precision holds exactly."""
    values = chance.standard_normal((4, steps)).astype(np.float16).astype(np.float32)
    return Contours(0.01, *values)


ALIGNED: Final = Alignment(
    np.array([True, False]),
    np.array([3, 0]),
    np.array([5, 0]),
    np.array([0.7, 0.02], np.float32),
    (HeardPhone("AH", 3, 5), HeardPhone("B", 7, 8)),
)
"""One phone of two is said, and another one is heard."""


def same_reference(left: Reference, right: Reference) -> bool:
    """Equal in every part."""
    return (
        np.array_equal(left.features.frames, right.features.frames)
        and np.array_equal(left.features.speech, right.features.speech)
        and left.features.frame_rate_hz == right.features.frame_rate_hz
        and left.transcript == right.transcript
        and _same_fields(left.contours, right.contours)
        and _same_fields(left.alignment, right.alignment)
    )


def _same_fields(left: Contours | Alignment | None, right: Contours | Alignment | None) -> bool:
    if left is None or right is None:
        return left is right
    names = [field.name for field in fields(left)]
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in names)


def certain_sound(labels: str) -> torch.Tensor:
    """Phone log-probabilities ``[frames, 40]`` that leave no doubt; "-" is the blank."""
    names = labels.split()
    frames = torch.full((len(names), 1 + len(PHONES)), -40.0)
    for row, name in enumerate(names):
        frames[row, BLANK if name == "-" else phone_indices([name])[0]] = 0.0
    return frames.log_softmax(dim=-1)
