"""What is spoken in a clip, as the text file beside it tells.

Such files come from people and from subtitles: with speakers' names, sounds in brackets, tags and
times, and in whatever encoding an editor saves.
"""

from __future__ import annotations

import codecs
import html
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Final

from audio_score_server.library.files import read_regular

_LOG = logging.getLogger(__name__)
SUFFIXES: Final = (".txt", ".srt", ".vtt")
"""Endings of such files; where there are several, the earlier one is taken."""
_MARKS: Final = (
    # Before those of two bytes, with one of which it begins.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TIMES: Final = re.compile(r"\s*(\d+:)?\d{1,2}:\d{2}([.,]\d{1,3})?\s*-->.*")
_UNSPOKEN_BLOCK: Final = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_BREAK: Final = re.compile(r"\\[Nh]")
"""A line's end, or a space, as some programs write them into captions."""
_BRACKETS: Final = ("[]", "()", "\uff08\uff09", "【】", "\uff3b\uff3d")
"""In their usual and their full width."""
_ASIDE: Final = re.compile(
    "|".join(
        # In one caption or paragraph: a bracket that is never closed takes nothing else away.
        rf"\{opening}(?:[^\{opening}\{closing}\n]|\n(?!\n))*\{closing}"
        for opening, closing in _BRACKETS
    )
    + r"|[♪♫♬♩]+|^[ \t]*\#(?=\s)|(?<=\s)\#[ \t]*$",
    re.MULTILINE,
)
_DASH: Final = re.compile(r"^\s*(?:>>+\s*|[-\u2013\u2014](?:\s+|(?=[A-Z]{2})))")
"""How captions mark that somebody else speaks."""
_NAME: Final = re.compile(
    r"\s*(?P<name>[^\W\d_][\w .'\u2019&/#-]{0,40}?)\s*[:\uff1a](?P<space>\s+|$|(?=[^\W\d_]))"
)
_PARTS_OF_NAMES: Final = re.compile(r"[\s&/]+")
_LONGEST_NAME: Final = 3
"""Words; of those in capitals there may be more."""
_NO_NAMES: Final = frozenset(
    (
        *("answer", "attention", "careful", "caution", "example", "listen", "look", "note"),
        *("okay", "question", "remember", "rule", "warning", "well", "wait", "yes", "no"),
        *("hello", "hi", "hey", "goodbye", "bye", "thanks", "please", "sorry", "oh", "ready"),
        *("what", "why", "how", "when", "where", "so", "but", "and", "because", "now", "then"),
        *("time", "today", "tomorrow", "here", "there", "fact", "hint", "tip", "title", "chapter"),
        *("he", "she", "it", "we", "you", "they", "this", "that", "these", "those"),
    )
)
_SHOWN: Final = 5


@dataclass(slots=True)
class Spoken:
    """What of a file is spoken.

    Attributes:
        text: in one line; empty where nothing is.
        left_out: names, sounds and the like, in order.
    """

    text: str = ""
    left_out: list[str] = field(default_factory=list)


def read_sidecar(clip: Path) -> str | None:
    """What is spoken in a clip; None where no file beside it tells.

    What was left out, or had to be guessed, is logged.
    """
    for path in _candidates(clip):
        try:
            text = sidecar_text(path, read_regular(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            _LOG.error(
                "The text %s cannot be read (%s): the clip is used without it. Make it a file that "
                "the server may read.",
                path,
                error.strerror or error,
            )
            return None
        except UnicodeError:
            return None
        if text:
            return text
    return None


def sidecar_text(place: PurePath, content: bytes) -> str:
    """What is spoken, by the content of a text file; empty where nothing is.

    Args:
        place: of the file, for the log, which is told what was left out or had to be guessed.
        content: of the file.

    Raises:
        UnicodeError: it is no text, or damaged; the log was told.
    """
    try:
        written, sure = decoded(content)
    except UnicodeError:
        _LOG.error(
            "The text %s is damaged or no text: the clip is used without it. Save it as UTF-8.",
            place,
        )
        raise
    if not sure:
        _LOG.warning("%s is not in UTF-8: taken for Windows-1252. Save it as UTF-8.", place)
    spoken = spoken_of(written)
    if spoken.left_out:
        _LOG.info("%s: left out, as not spoken: %s.", place.name, _listed(spoken.left_out))
    return spoken.text


def _candidates(clip: Path) -> Iterator[Path]:
    """Where a clip's text may be, the preferred place first."""
    for suffix in SUFFIXES:
        yield clip.with_suffix(suffix)
        yield clip.with_suffix(suffix.upper())


def decoded(content: bytes) -> tuple[str, bool]:
    """The text in a file, and whether its encoding is sure.

    Raises:
        UnicodeError: it is no text, or damaged.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _text(content[len(mark) :], encoding), True
    if b"\0" in content:
        # Letters of two bytes, one of them nought, and no mark.
        return _text(content, "utf-16-be" if content[:1] == b"\0" else "utf-16-le"), True
    content = content.removeprefix(codecs.BOM_UTF8)
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding), encoding == "utf-8"
        except UnicodeDecodeError:
            continue
    # Every byte means something in Latin-1.
    return content.decode("latin-1"), False


def _text(content: bytes, encoding: str) -> str:
    """Letters of several bytes; other files hold noughts, and what is no letter at all.

    Raises:
        UnicodeError: it is no text in that encoding.
    """
    text = content.decode(encoding)
    if "\0" in text:
        raise UnicodeError("It holds noughts.")
    return text


def spoken_of(written: str) -> Spoken:
    """What is spoken of what is written."""
    spoken = Spoken()
    text = "\n".join(map(_without_marks, _said_lines(written)))
    spoken.left_out = [" ".join(aside.split()) for aside in _ASIDE.findall(text)]
    lines = [_without_name(line, spoken) for line in _ASIDE.sub(" ", text).split("\n")]
    spoken.text = " ".join(" ".join(lines).split())
    return spoken


def _said_lines(written: str) -> list[str]:
    """Lines of text, without what subtitles have around them; an empty one where something was."""
    lines = written.splitlines()
    captions = any(map(_TIMES.fullmatch, lines)) or written.lstrip().startswith("WEBVTT")
    said = []
    block = ""
    for line, following in pairwise([*lines, ""]):
        begins, block = not block, line.strip() and (block or line.strip())
        unspoken = not block or (captions and _UNSPOKEN_BLOCK.match(block)) or _TIMES.match(line)
        # What stands right before the times is a caption's number, or its name.
        heads = _TIMES.match(following) and (begins or line.strip().isdigit())
        said.append("" if unspoken or heads else line)
    return said


def _without_marks(line: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub(" ", line))).strip()


def _without_name(line: str, spoken: Spoken) -> str:
    line = _DASH.sub("", line, count=1)
    name = _NAME.match(line)
    if name and _is_speaker(name["name"], bool(name["space"]), line[name.end() :]):
        spoken.left_out.append(f"{name['name']}:")
        line = line[name.end() :]
    return line


def _is_speaker(name: str, spaced: bool, said: str) -> bool:
    """Whether what stands before a colon is who says the rest, and no part of the sentence."""
    words = _PARTS_OF_NAMES.split(name.rstrip("&/# "))
    if words[0].lower() in _NO_NAMES:
        return False
    if name.isupper():
        return len(name) > 1
    capitals = len(words) <= _LONGEST_NAME and all(
        word[0].isupper() or word[0] == "#" for word in words
    )
    return capitals and (spaced or not said) and not said[:1].islower()


def _listed(left_out: list[str]) -> str:
    more = len(left_out) - _SHOWN
    return ", ".join(left_out[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
