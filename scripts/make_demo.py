#!/usr/bin/env python3
"""Make the demo data: five short original clips and recordings of them to score.

    python -m scripts.make_demo

The repository must hold something to try the server on, and neither a film nor a person's voice
may be redistributed freely. So every line here was written for this project, Kokoro-82M speaks it
in mixtures of its styles (``scripts/demo/cast.py``) and the pictures are drawn frame by frame; this
script is the source of those files. The same versions of onnxruntime, torchaudio and ffmpeg give
the same bytes again on the same kind of processor.

``video_clip/`` gets ``<video>_<part>.mov`` and its line in ``<video>_<part>.txt``.
``audio_clip/`` gets ``<video>_<part>_<kind>.<format>``, where the kind says what to expect:

    right    the line, by a voice akin to the clip's
    other    the line, by another voice
    other2   the line, by a third voice
    child    the line, by a voice like a child's
    slow     the line, slowly, as somebody who learns the language says it
    half     the first half of the line's words, by another voice
    wrong    another line altogether, by another voice

and one recording of a quiet room, in which nobody speaks. No recording is by its clip's own voice.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tqdm import tqdm

from scripts.demo.encoding import SAMPLE_RATE, encode_audio, encode_film
from scripts.demo.film import SCENES, draw_frames
from scripts.demo.lines import CLIPS, Clip, Recording
from scripts.demo.speech import perform, room_noise
from training.kokoro import Kokoro, models_folder

SILENCE_NAME: Final = "silence.ogg"
SILENCE_SECONDS: Final = 3.0

ROOT: Final = Path(__file__).resolve().parent.parent
VIDEO_FOLDER: Final = ROOT / "video_clip"
AUDIO_FOLDER: Final = ROOT / "audio_clip"


def main() -> None:
    """Write every demo file anew."""
    kokoro = load_voices()
    VIDEO_FOLDER.mkdir(exist_ok=True)
    AUDIO_FOLDER.mkdir(exist_ok=True)
    tasks = list(all_tasks(kokoro))
    for path, write in tqdm(tasks, unit="file"):
        write(path)
    total = sum(path.stat().st_size for path, _ in tasks)
    print(f"{len(tasks)} files, {total / 1000:.0f} kB, in {VIDEO_FOLDER} and {AUDIO_FOLDER}")


def load_voices() -> Kokoro:
    """Load Kokoro; stop with a remedy if it or a program is missing."""
    if shutil.which("ffmpeg") is None:
        sys.exit("Not installed: ffmpeg. On Debian or Ubuntu: apt-get install ffmpeg")
    folder = models_folder() / "kokoro"
    try:
        return Kokoro(folder)
    except OSError as error:
        sys.exit(f"The voices are not in {folder} ({error}); scripts/fetch_test_models gets them.")


def all_tasks(kokoro: Kokoro) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Every file to write, each with the function that writes it."""
    for clip in CLIPS:
        yield VIDEO_FOLDER / f"{clip.name}.mov", partial(write_clip, kokoro, clip)
        yield VIDEO_FOLDER / f"{clip.name}.txt", partial(write_line, clip)
        for recording in clip.recordings:
            yield AUDIO_FOLDER / recording.name, partial(write_recording, kokoro, recording)
    yield AUDIO_FOLDER / SILENCE_NAME, write_silence


def write_line(clip: Clip, path: Path) -> None:
    """Write what is said in the clip."""
    path.write_text(f"{clip.line}\n", encoding="utf-8")


def write_recording(kokoro: Kokoro, recording: Recording, path: Path) -> None:
    """Write a learner's recording."""
    encode_audio(perform(kokoro, recording.text, recording.voice, room=path.name), path)


def write_silence(path: Path) -> None:
    """Write a recording in which nobody speaks."""
    encode_audio(room_noise(round(SILENCE_SECONDS * SAMPLE_RATE), room=path.name), path)


def write_clip(kokoro: Kokoro, clip: Clip, path: Path) -> None:
    """Write a clip: its line spoken, its scene drawn to it."""
    samples = perform(kokoro, clip.said, clip.voice, room=path.name)
    encode_film(b"".join(draw_frames(SCENES[clip.scene], samples)), samples, path)


if __name__ == "__main__":
    main()
