#!/usr/bin/env python3
"""Make the demo data: five short original clips and recordings of them to score.

    python scripts/make_demo.py

The repository must hold something to try the server on, and neither a film nor a person's voice
may be redistributed freely. So every line here was written for this project, flite speaks it and
the pictures are drawn frame by frame; this script is the source of those files. The same versions
of flite and ffmpeg give the same bytes again.

``video_clip/`` gets ``<video>_<part>.mov`` and its line in ``<video>_<part>.txt``.
``audio_clip/`` gets ``<video>_<part>_<kind>.<format>``, where the kind says what to expect:

    right    the line, by the clip's own voice at another pace and pitch
    other    the line, by another voice
    other2   the line, by a third voice
    half     the first half of the line's words, by another voice
    wrong    another line altogether, by another voice

and one recording of a quiet room, in which nobody speaks.
"""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import sys
import tempfile
import wave
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Samples: TypeAlias = NDArray[np.float64]
Plane: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Performance:
    """How a line is spoken; flite's voice rms ignores the pitch."""

    voice: str
    stretch: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True, slots=True)
class Recording:
    """A file to send to the server."""

    name: str
    text: str
    performance: Performance


@dataclass(frozen=True, slots=True)
class Clip:
    """A reference clip, and the recordings of it."""

    name: str
    line: str
    scene: str
    performance: Performance
    recordings: tuple[Recording, ...]


def _first_half(line: str) -> str:
    words = line.split()
    return " ".join(words[: len(words) // 2]).rstrip(",")


def _clip(
    name: str,
    line: str,
    *,
    scene: str,
    spoken: Performance,
    takes: Mapping[str, Performance],
    wrong: str,
) -> Clip:
    texts = {"wrong": wrong, "half": _first_half(line)}
    recordings = (
        Recording(f"{name}_{take}", texts.get(take.partition(".")[0], line), performance)
        for take, performance in takes.items()
    )
    return Clip(name, line, scene, spoken, tuple(recordings))


CLIPS: Final = (
    _clip(
        "RiverTales-s01e01_part01",
        "The little boat drifts slowly toward the morning sun.",
        scene="sunrise",
        spoken=Performance("slt", 1.0),
        takes={
            "right.mp3": Performance("slt", 0.9, 1.12),
            "other.m4a": Performance("rms", 0.95),
            "other2.webm": Performance("awb", 1.1),
            "half.wav": Performance("rms", 0.9),
            "wrong.ogg": Performance("rms", 0.95),
        },
        wrong="We should call your brother before the train arrives.",
    ),
    _clip(
        "RiverTales-s01e01_part02",
        "Hey, who left a green umbrella on my lily pad?",
        scene="frog",
        spoken=Performance("slt", 0.95, 1.15),
        takes={
            "right.webm": Performance("slt", 1.12, 0.95),
            "other.mp3": Performance("rms", 0.9),
            "half.ogg": Performance("rms", 0.95),
            "wrong.m4a": Performance("rms", 0.9),
        },
        wrong="Yesterday we counted eleven buses from the window.",
    ),
    _clip(
        "RiverTales-s01e01_part03",
        "Keep the lantern low, the fireflies are going to sleep.",
        scene="fireflies",
        spoken=Performance("slt", 1.1, 0.93),
        takes={
            "right.ogg": Performance("slt", 0.95, 1.05),
            "other.webm": Performance("rms", 1.0),
            "half.m4a": Performance("rms", 0.9),
            "wrong.mp3": Performance("rms", 0.95),
        },
        wrong="My winter jacket has two pockets and a broken zipper.",
    ),
    _clip(
        "KitchenRobots-s01e02_part01",
        "Watch me flip this pancake without dropping it!",
        scene="pancake",
        spoken=Performance("slt", 0.9, 1.2),
        takes={
            "right.mp3": Performance("slt", 1.08, 1.0),
            "other.ogg": Performance("rms", 0.85),
            "other2.m4a": Performance("awb", 1.0, 1.1),
            "half.flac": Performance("rms", 0.9),
            "wrong.webm": Performance("rms", 0.95),
        },
        wrong="Nobody told us that the library closes at four.",
    ),
    _clip(
        "KitchenRobots-s01e02_part02",
        "Seven tomatoes rolled off the shelf, and nobody even blinked.",
        scene="tomatoes",
        spoken=Performance("slt", 1.03, 1.05),
        takes={
            "right.m4a": Performance("slt", 0.9, 0.92),
            "other.webm": Performance("rms", 1.0),
            "half.ogg": Performance("rms", 1.0),
            "wrong.mp3": Performance("rms", 0.9),
        },
        wrong="Please put those heavy boxes beside the garage door.",
    ),
)
SILENCE_NAME: Final = "silence.ogg"
SILENCE_SECONDS: Final = 3.0

CODECS: Final[Mapping[str, tuple[str, ...]]] = {
    "wav": ("-c:a", "pcm_s16le"),
    "flac": ("-c:a", "flac"),
    "mp3": ("-c:a", "libmp3lame", "-ar", "24000", "-b:a", "24k"),
    "m4a": ("-c:a", "aac", "-ar", "48000", "-b:a", "28k"),
    "ogg": ("-c:a", "libvorbis", "-q:a", "0"),
    "webm": ("-c:a", "libopus", "-ar", "48000", "-b:a", "20k"),
    "mov": (
        *("-c:v", "libx264", "-preset", "veryslow", "-tune", "animation", "-crf", "29"),
        *("-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-ar", "48000", "-b:a", "40k"),
    ),
}
REPEATABLE: Final = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact")

SAMPLE_RATE: Final = 16000
EDGE_SECONDS: Final = 0.25
SPEECH_RMS: Final = 0.09
ROOM_RMS: Final = 0.0008
WIDTH: Final = 320
HEIGHT: Final = 180
FRAMES_PER_SECOND: Final = 12

ROOT: Final = Path(__file__).resolve().parent.parent
VIDEO_FOLDER: Final = ROOT / "video_clip"
AUDIO_FOLDER: Final = ROOT / "audio_clip"


def main() -> None:
    """Write every demo file anew."""
    require_programs()
    VIDEO_FOLDER.mkdir(exist_ok=True)
    AUDIO_FOLDER.mkdir(exist_ok=True)
    tasks = list(all_tasks())
    for path, write in tqdm(tasks, unit="file"):
        write(path)
    total = sum(path.stat().st_size for path, _ in tasks)
    print(f"{len(tasks)} files, {total / 1000:.0f} kB, in {VIDEO_FOLDER} and {AUDIO_FOLDER}")


def require_programs() -> None:
    """Stop with a remedy if a program is missing."""
    missing = [program for program in ("flite", "ffmpeg") if shutil.which(program) is None]
    if missing:
        names = " ".join(missing)
        sys.exit(f"Not installed: {names}. On Debian or Ubuntu: apt-get install {names}")


def all_tasks() -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Every file to write, each with the function that writes it."""
    for clip in CLIPS:
        yield VIDEO_FOLDER / f"{clip.name}.mov", partial(write_clip, clip)
        yield VIDEO_FOLDER / f"{clip.name}.txt", partial(write_line, clip)
        for recording in clip.recordings:
            yield AUDIO_FOLDER / recording.name, partial(write_recording, recording)
    yield AUDIO_FOLDER / SILENCE_NAME, write_silence


def write_line(clip: Clip, path: Path) -> None:
    """Write what is said in the clip."""
    path.write_text(f"{clip.line}\n", encoding="utf-8")


def write_recording(recording: Recording, path: Path) -> None:
    """Write a learner's recording."""
    encode_audio(perform(recording.text, recording.performance, room=path.name), path)


def write_silence(path: Path) -> None:
    """Write a recording in which nobody speaks."""
    encode_audio(room_noise(round(SILENCE_SECONDS * SAMPLE_RATE), room=path.name), path)


def write_clip(clip: Clip, path: Path) -> None:
    """Write a clip: its line spoken, its scene drawn to it."""
    samples = perform(clip.line, clip.performance, room=path.name)
    frames = b"".join(draw_frames(SCENES[clip.scene], samples))
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder, "sound.wav")
        sound.write_bytes(to_wav(samples))
        raw_video = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}")
        rate = ("-r", str(FRAMES_PER_SECOND))
        ffmpeg(path, (*raw_video, *rate, "-i", "pipe:0", "-i", str(sound)), frames)


def encode_audio(samples: Samples, path: Path) -> None:
    """Encode sound in the format that the name asks for."""
    ffmpeg(path, ("-f", "wav", "-i", "pipe:0"), to_wav(samples))


def ffmpeg(path: Path, inputs: tuple[str, ...], data: bytes) -> None:
    """Run ffmpeg with ``data`` on its standard input."""
    options = (*CODECS[path.suffix[1:]], *REPEATABLE)
    command = ("ffmpeg", "-y", "-loglevel", "error", *inputs, *options, str(path))
    subprocess.run(command, input=data, check=True)


def perform(text: str, performance: Performance, *, room: str) -> Samples:
    """Speak a text in a quiet room, with a short pause at each end."""
    speech = trim(synthesise(text, performance))
    speech *= SPEECH_RMS / np.sqrt(np.mean(speech**2))
    padded = np.pad(speech, round(EDGE_SECONDS * SAMPLE_RATE))
    return padded + room_noise(len(padded), room=room)


def synthesise(text: str, performance: Performance) -> Samples:
    """Have flite speak a text."""
    features = {"duration_stretch": performance.stretch, "f0_shift": performance.pitch}
    settings = [part for name, value in features.items() for part in ("--setf", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        command = ("flite", "-voice", performance.voice, *settings, "-t", text, "-o", str(path))
        subprocess.run(command, check=True)
        return read_wav(path)


def trim(samples: Samples) -> Samples:
    """Cut the silence that flite leaves at both ends."""
    loud = np.flatnonzero(np.abs(samples) > np.max(np.abs(samples)) / 150)
    return samples[loud[0] : loud[-1] + 1]


def room_noise(count: int, *, room: str) -> Samples:
    """Faint low-pitched noise, always the same for the same room."""
    generator = np.random.default_rng(zlib.crc32(room.encode()))
    rumble = np.convolve(generator.standard_normal(count), np.hanning(12), mode="same")
    return np.asarray(rumble * ROOM_RMS / np.sqrt(np.mean(rumble**2)), dtype=np.float64)


def read_wav(path: Path) -> Samples:
    """Read flite's 16-bit mono output."""
    with wave.open(str(path)) as file:
        if file.getframerate() != SAMPLE_RATE:
            sys.exit(f"flite spoke at {file.getframerate()} Hz; expected {SAMPLE_RATE} Hz")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768


def to_wav(samples: Samples) -> bytes:
    """Pack sound as a 16-bit mono WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Moment:
    """What a frame depends on: the time, and how loud the speaker is (0 to 1)."""

    seconds: float
    loudness: float


class Canvas:
    """A picture on which smooth-edged shapes are painted, one over another."""

    def __init__(self, top: str, bottom: str) -> None:
        """Start with a vertical gradient between two colours."""
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
        self.x: Plane = columns
        self.y: Plane = rows
        share = (rows / HEIGHT)[..., np.newaxis]
        self._pixels = _rgb(top) * (1 - share) + _rgb(bottom) * share

    def paint(self, distance: Plane, colour: str, opacity: float = 1.0) -> None:
        """Colour the pixels whose distance from a shape is below zero."""
        cover = np.clip(0.5 - distance, 0, 1)[..., np.newaxis] * opacity
        self._pixels += cover * (_rgb(colour) - self._pixels)

    def disc(self, x: float, y: float, radius: float, colour: str, opacity: float = 1.0) -> None:
        """Paint a disc."""
        self.paint(np.hypot(self.x - x, self.y - y) - radius, colour, opacity)

    def oval(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Paint an ellipse, given its two radii."""
        self.paint(self.oval_distance(x, y, wide, high), colour)

    def oval_distance(self, x: float, y: float, wide: float, high: float) -> Plane:
        """Roughly the distance from an ellipse."""
        return (np.hypot((self.x - x) / wide, (self.y - y) / high) - 1) * min(wide, high)

    def dome(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Paint the upper half of an ellipse."""
        self.paint(np.maximum(self.oval_distance(x, y, wide, high), self.y - y), colour)

    def bowl(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Paint the lower half of an ellipse."""
        self.paint(np.maximum(self.oval_distance(x, y, wide, high), y - self.y), colour)

    def box(
        self, x: float, y: float, wide: float, high: float, colour: str, *, corner: float = 0.0
    ) -> None:
        """Paint a rectangle round a centre, its corners rounded."""
        across = np.abs(self.x - x) - wide / 2 + corner
        down = np.abs(self.y - y) - high / 2 + corner
        outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        self.paint(outside + np.minimum(np.maximum(across, down), 0) - corner, colour)

    def rod(
        self, start: tuple[float, float], end: tuple[float, float], thick: float, colour: str
    ) -> None:
        """Paint a line with round ends."""
        (x, y), (wide, high) = start, (end[0] - start[0], end[1] - start[1])
        along = ((self.x - x) * wide + (self.y - y) * high) / (wide**2 + high**2)
        nearest = np.clip(along, 0, 1)
        away = np.hypot(self.x - x - nearest * wide, self.y - y - nearest * high)
        self.paint(away - thick / 2, colour)

    def triangle(self, corners: tuple[tuple[float, float], ...], colour: str) -> None:
        """Paint a triangle, its corners named clockwise as seen."""
        edges = zip(corners, (*corners[1:], corners[0]), strict=True)
        sides = [
            ((self.x - x) * (toy - y) - (self.y - y) * (tox - x)) / math.hypot(tox - x, toy - y)
            for (x, y), (tox, toy) in edges
        ]
        self.paint(np.maximum.reduce(sides), colour)

    def water(self, level: float, shift: float, colour: str) -> None:
        """Paint everything below a wavy line."""
        self.paint(level + 2.5 * np.sin((self.x + shift) / 14) - self.y, colour)

    def to_bytes(self) -> bytes:
        """The picture as 8-bit RGB."""
        rounded: NDArray[np.uint8] = self._pixels.round().astype(np.uint8)
        return rounded.tobytes()


Scene: TypeAlias = Callable[[Moment], Canvas]


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[place : place + 2], 16) for place in (0, 2, 4)], dtype=np.float64)


def draw_frames(scene: Scene, samples: Samples) -> Iterator[bytes]:
    """Draw a scene for as long as the sound lasts."""
    size = SAMPLE_RATE / FRAMES_PER_SECOND
    count = math.ceil(len(samples) / size)
    edges = [round(index * size) for index in range(1, count)]
    levels = [float(np.sqrt(np.mean(part**2))) for part in np.split(samples, edges)]
    for index, level in enumerate(levels):
        yield scene(Moment(index / FRAMES_PER_SECOND, level / max(levels))).to_bytes()


def draw_sunrise(now: Moment) -> Canvas:
    """A boat drifts toward the rising sun."""
    canvas = Canvas("f7b267", "ffe3b3")
    sun = 104 - 7 * now.seconds
    canvas.disc(252, sun, 40, "ffe9b0", 0.5)
    canvas.disc(252, sun, 27, "fff6d5")
    canvas.dome(60, 124, 110, 46, "c9828a")
    canvas.dome(170, 124, 90, 30, "d99a94")
    canvas.water(118, 16 * now.seconds, "7fb7be")
    draw_boat(canvas, 70 + 26 * now.seconds, 126 + 3 * math.sin(3 * now.seconds))
    canvas.water(134, -24 * now.seconds, "4a8fa3")
    canvas.water(156, 30 * now.seconds, "356f8a")
    return canvas


def draw_boat(canvas: Canvas, x: float, y: float) -> None:
    """A sailing boat, placed by the middle of its deck."""
    canvas.rod((x, y), (x, y - 54), 3, "7a4a34")
    canvas.triangle(((x + 3, y - 52), (x + 32, y - 8), (x + 3, y - 8)), "fffaf0")
    canvas.triangle(((x - 3, y - 44), (x - 3, y - 8), (x - 22, y - 8)), "ef6f5e")
    canvas.bowl(x, y - 2, 36, 20, "a4553d")


def draw_frog(now: Moment) -> Canvas:
    """A frog hops beside an umbrella that is not its own."""
    canvas = Canvas("d8f3dc", "b7e4c7")
    canvas.disc(44, 34, 18, "fff3b0")
    canvas.water(100, 12 * now.seconds, "74c2c9")
    canvas.water(138, -15 * now.seconds, "5aaeb9")
    sway = 3 * math.sin(2.2 * now.seconds)
    for x, y, wide in ((112, 142, 62), (228, 134, 56), (290, 164, 40)):
        canvas.oval(x + sway, y, wide, wide / 5, "3f8f5b")
        canvas.oval(x + sway, y - 2, wide - 4, wide / 5 - 2, "58b368")
    draw_umbrella(canvas, 228 + sway, 132, 4 * math.sin(3 * now.seconds))
    hop = 26 * abs(math.sin(3.2 * now.seconds))
    draw_frog_itself(canvas, 112 + sway, 118 - hop, now.loudness)
    return canvas


def draw_umbrella(canvas: Canvas, x: float, y: float, lean: float) -> None:
    """An open umbrella, placed by the foot of its stick."""
    top = x + lean
    canvas.rod((x, y), (top, y - 78), 3, "6b4f3a")
    canvas.dome(top, y - 44, 46, 36, "1f7a4d")
    canvas.dome(top, y - 44, 22, 36, "2fa866")


def draw_frog_itself(canvas: Canvas, x: float, y: float, loudness: float) -> None:
    """A frog, placed by the middle of its body."""
    for side in (-1, 1):
        canvas.oval(x + 24 * side, y + 16, 13, 9, "5f9e2f")
        canvas.disc(x + 15 * side, y - 24, 11, "7cbf3a")
        canvas.disc(x + 15 * side, y - 25, 7, "ffffff")
        canvas.disc(x + 15 * side + 2, y - 25, 3.5, "1b1b1b")
    canvas.oval(x, y, 30, 26, "7cbf3a")
    canvas.oval(x, y + 8, 19, 15, "cfe8a0")
    canvas.oval(x, y - 5, 12, 2 + 8 * loudness, "7a2e3a")


def draw_fireflies(now: Moment) -> Canvas:
    """A lantern swings in a night full of fireflies."""
    canvas = Canvas("141b3c", "35457a")
    canvas.disc(58, 40, 20, "f4efcf")
    canvas.disc(66, 36, 17, "1c2547")
    canvas.dome(250, 150, 130, 60, "1a2a4a")
    canvas.dome(70, 152, 150, 40, "16233f")
    canvas.water(146, 10 * now.seconds, "22386b")
    canvas.water(162, -14 * now.seconds, "1b2d59")
    draw_lantern(canvas, 0.35 * math.sin(2.4 * now.seconds))
    for index in range(14):
        draw_firefly(canvas, index, now.seconds)
    return canvas


def draw_lantern(canvas: Canvas, swing: float) -> None:
    """A lantern on a bent pole, swung by an angle."""
    x, y = 216 + 50 * math.sin(swing), 44 + 50 * math.cos(swing)
    canvas.rod((252, 180), (246, 44), 6, "4a3426")
    canvas.rod((246, 44), (216, 44), 5, "4a3426")
    canvas.rod((216, 44), (x, y), 1.5, "8a6a4a")
    for radius in (46, 32):
        canvas.disc(x, y + 14, radius, "ffcf6b", 0.16)
    canvas.box(x, y + 14, 24, 30, "e8613c", corner=9)
    canvas.box(x, y + 14, 12, 30, "ffd98a", corner=6)
    canvas.box(x, y, 16, 4, "4a3426", corner=1)


def draw_firefly(canvas: Canvas, index: int, seconds: float) -> None:
    """One of many fireflies, each on a path of its own."""
    x = (index * 67) % 300 + 10 + 14 * math.sin(1.7 * seconds + index)
    y = (index * 41) % 105 + 35 + 10 * math.cos(2.1 * seconds + 2 * index)
    glow = 0.55 + 0.45 * math.sin(3.5 * seconds + 1.3 * index)
    canvas.disc(x, y, 6, "d9f07a", 0.25 * glow)
    canvas.disc(x, y, 2.2, "f6ffb8", glow)


def draw_pancake(now: Moment) -> Canvas:
    """A robot tosses a pancake."""
    canvas = draw_kitchen()
    phase = (now.seconds / 1.1) % 1
    rise = 4 * phase * (1 - phase)
    draw_robot(canvas, 112, now.loudness, look=2 - 5 * rise)
    pan = 108 + 8 * math.sin(2 * math.pi * phase)
    canvas.rod((140, 112), (176, pan), 8, "6f8fa6")
    canvas.rod((176, pan), (214, pan), 5, "3b3b45")
    canvas.oval(226, pan - 6 - 66 * rise, 25, 5 + 8 * rise * phase, "c98436")
    canvas.oval(226, pan - 8 - 66 * rise, 22, 3 + 8 * rise * phase, "f2bf6b")
    canvas.box(226, pan, 62, 8, "3b3b45", corner=4)
    return canvas


def draw_tomatoes(now: Moment) -> Canvas:
    """Tomatoes roll off a shelf; a robot watches."""
    canvas = draw_kitchen()
    draw_robot(canvas, 70, now.loudness, look=3)
    canvas.box(258, 66, 140, 7, "a9714b", corner=2)
    for index in range(7):
        draw_tomato(canvas, now.seconds - 0.15 - 0.42 * index, 206 + 18 * index)
    return canvas


def draw_tomato(canvas: Canvas, seconds: float, start: float) -> None:
    """A tomato which starts to roll at second zero, falls off the shelf's edge and bounces."""
    rolled = start - 95 * max(seconds, 0)
    falling = max(seconds - (start - 188) / 95, 0)
    drop = 240 * falling**2
    if drop > 84:
        since = falling - math.sqrt(84 / 240)
        drop = 84 - max(150 * since - 240 * since**2, 0)
    turn = (rolled - start) / 9
    x, y = rolled, 54 + drop
    canvas.disc(x, y, 9, "d8412f")
    canvas.disc(x - 3, y - 3, 2.5, "f08a6f")
    canvas.disc(x + 6 * math.sin(turn), y - 6 * math.cos(turn), 3, "4f8a3a")


def draw_kitchen() -> Canvas:
    """A wall and a worktop."""
    canvas = Canvas("fdf0d5", "f3d9b1")
    canvas.box(286, 24, 44, 60, "bfe3ee", corner=4)
    canvas.box(286, 24, 3, 60, "fffaf0")
    canvas.box(160, 166, 330, 34, "b5794f")
    canvas.box(160, 151, 330, 6, "d59a6a")
    return canvas


def draw_robot(canvas: Canvas, x: float, loudness: float, *, look: float) -> None:
    """A robot behind the worktop, looking up or down, its mouth open while it speaks."""
    canvas.rod((x, 40), (x, 24), 3, "6f8fa6")
    canvas.disc(x, 22, 4 + 2 * loudness, "ef6f5e")
    canvas.box(x, 122, 66, 52, "7ea6bd", corner=10)
    canvas.box(x, 126, 30, 20, "dcebf2", corner=4)
    canvas.disc(x - 6, 126, 3, "ef6f5e")
    canvas.disc(x + 6, 126, 3, "58b368")
    canvas.box(x, 66, 76, 56, "9cc3d5", corner=14)
    for side in (-1, 1):
        canvas.disc(x + 17 * side, 58, 10, "ffffff")
        canvas.disc(x + 17 * side + 3, 58 + look, 4.5, "263445")
    canvas.box(x, 81, 30, 3 + 11 * loudness, "3d4f63", corner=1.5)


SCENES: Final[Mapping[str, Scene]] = {
    "sunrise": draw_sunrise,
    "frog": draw_frog,
    "fireflies": draw_fireflies,
    "pancake": draw_pancake,
    "tomatoes": draw_tomatoes,
}


if __name__ == "__main__":
    main()
