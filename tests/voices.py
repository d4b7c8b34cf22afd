"""Lines that natural voices speak, for tests with trained models; spoken once, kept on disk.

The files lie in ``spoken/`` beside the models, so that only the first run takes the minutes that
speaking takes. Without the voices the test is skipped.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest

from tests.support import encoded
from training.kokoro import RATE, Kokoro, Voice, models_folder
from training.spelling import english_phones, japanese_phones

_SPOKEN: Final = 1
"""Goes up when the same phones and voice are spoken otherwise."""


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody says.

    Attributes:
        text: as it is usually written; in Japanese with spaces where ``kana`` has them.
        kana: how Japanese is pronounced; None for English.
    """

    text: str
    kana: str | None = None

    @property
    def written(self) -> str:
        """As it stands beside a clip."""
        return self.text if self.kana is None else self.text.replace(" ", "")

    @property
    def phones(self) -> str:
        """As the voices read it."""
        return english_phones(self.text) if self.kana is None else japanese_phones(self.kana)


ENGLISH: Final = (
    Line("The window in the attic has been open all week."),
    Line("Run to the harbor and tell the captain what you saw!"),
    Line("I promised my sister that we would visit the lighthouse."),
    Line("Who could have painted such a beautiful horse on the wall?"),
    Line("Careful, this bridge is older than your grandfather."),
    Line("There is enough bread for everyone at the table."),
    Line("You never told me that the mountain was this high."),
    Line("Bring me the silver key and a cup of hot tea."),
    Line("Tomorrow the whole village will dance in the square."),
    Line("Why did the doctor leave without saying goodbye?"),
)
JAPANESE: Final = (
    Line("今日は とても 天気が いいですね。", "きょーわ とても てんきが いーですね。"),
    Line("明日の 朝、 駅の 前で 会いましょう。", "あしたの あさ、 えきの まえで あいましょー。"),
    Line("この 本は とても 面白かったです。", "この ほんわ とても おもしろかったです。"),
    Line("すみません、 水を 一杯 ください。", "すみません、 みずを いっぱい ください。"),
    Line("私の 猫は 窓の そばで 寝ています。", "わたしの ねこわ まどの そばで ねています。"),
    Line(
        "昨日、 友達と 一緒に 映画を 見ました。",
        "きのー、 ともだちと いっしょに えーがを みました。",
    ),
    Line("あの 山の 上には 雪が 残っている。", "あの やまの うえにわ ゆきが のこっている。"),
    Line(
        "母は 台所で 夕ご飯を 作っています。", "ははわ だいどころで ゆーごはんを つくっています。"
    ),
)
ENGLISH_VOICES: Final = (Voice({"jm_kumo": 1.0}), Voice({"jf_tebukuro": 1.0}))
"""A man's and a woman's, both of which whisper-base understands."""
JAPANESE_VOICES: Final = (Voice({"jm_kumo": 1.0}), Voice({"jf_alpha": 1.0}))


def another(line: Line) -> Line:
    """Another line of the same language, always the same one."""
    lines = ENGLISH if line.kana is None else JAPANESE
    return lines[(lines.index(line) + 1) % len(lines)]


def half(line: Line) -> Line:
    """The first half of a line's words."""
    kana = None if line.kana is None else _first_half(line.kana)
    return Line(_first_half(line.text), kana)


def _first_half(text: str) -> str:
    words = text.split()
    return " ".join(words[: len(words) // 2]).rstrip(",、")


def spoken(line: Line, voice: Voice) -> Path:
    """A FLAC file of 24 kHz in which somebody says a line; without the voices a test is skipped."""
    folder = models_folder()
    key = repr((_SPOKEN, line.phones, sorted(voice.styles.items()), voice.speed, voice.raised))
    path = folder / "spoken" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.flac"
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(
            encoded(_kokoro(folder).say(line.phones, voice), "flac", "flac", RATE)
        )
        unfinished.replace(path)
    return path


@lru_cache(maxsize=1)
def _kokoro(folder: Path) -> Kokoro:
    try:
        return Kokoro(folder / "kokoro")
    except OSError as error:
        pytest.skip(f"the voices are not here: {error}")
