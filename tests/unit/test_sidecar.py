from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.library.sidecar import decoded, read_sidecar, spoken_of

_LINE = "The little boat drifts slowly."
_SRT = """1
00:00:01,000 --> 00:00:02,500
<i>The little boat</i>

2
00:00:02,600 --> 00:00:04,000
{\\an8}drifts slowly.
"""
_VTT = """WEBVTT - a title
Kind: captions

NOTE made by hand
and not spoken

intro
00:01.000 --> 00:02.500 align:start
<v Peppa>The little boat</v>

00:02.600 --> 00:04.000
<00:03.000>drifts <c.loud>slowly.</c>
"""


@pytest.mark.parametrize(
    ("written", "text", "left_out"),
    [
        (_LINE, _LINE, []),
        ("  The little\tboat\r\ndrifts   slowly. ", _LINE, []),
        ("PEPPA: " + _LINE, _LINE, ["PEPPA:"]),
        ("Peppa: " + _LINE, _LINE, ["Peppa:"]),
        ("Daddy Pig: " + _LINE, _LINE, ["Daddy Pig:"]),
        ("MR. BULL: " + _LINE, _LINE, ["MR. BULL:"]),
        ("[waves] " + _LINE, _LINE, ["[waves]"]),
        ("The little boat (laughs) drifts slowly.", _LINE, ["(laughs)"]),
        ("♪ " + _LINE + " ♪", _LINE, ["♪", "♪"]),
        ("- The little boat\n- drifts slowly.", _LINE, []),
        ("PEPPA: The little boat\nGEORGE: drifts slowly.", _LINE, ["PEPPA:", "GEORGE:"]),
        (_SRT, _LINE, []),
        (_SRT.replace("\n", "\r\n"), _LINE, []),
        (_VTT, _LINE, []),
        ("(laughs) PEPPA: " + _LINE, _LINE, ["(laughs)", "PEPPA:"]),
        ("PEPPA (laughing): " + _LINE, _LINE, ["(laughing)", "PEPPA:"]),
        (">> PEPPA: " + _LINE, _LINE, ["PEPPA:"]),
        ("-PEPPA: " + _LINE, _LINE, ["PEPPA:"]),
        ("PEPPA:\n" + _LINE, _LINE, ["PEPPA:"]),
        ("bread &amp; tea", "bread & tea", []),
        ("PEPPA & GEORGE: " + _LINE, _LINE, ["PEPPA & GEORGE:"]),
        ("Peppa & George: " + _LINE, _LINE, ["Peppa & George:"]),
        ("PEPPA/GEORGE: " + _LINE, _LINE, ["PEPPA/GEORGE:"]),
        ("Man #1: " + _LINE, _LINE, ["Man #1:"]),
        ("PEPPA:" + _LINE, _LINE, ["PEPPA:"]),
        ("# The little boat drifts slowly. #", _LINE, ["#", "#"]),
        ("(laughs\nloudly) " + _LINE, _LINE, ["(laughs loudly)"]),
        ("[sings (softly)] " + _LINE, _LINE, ["[sings (softly)]"]),
        ("\uff08笑\uff09小さな船【波の音】", "小さな船", ["\uff08笑\uff09", "【波の音】"]),
        ("PEPPA\uff1a" + _LINE, _LINE, ["PEPPA:"]),
        ("The little boat\\Ndrifts slowly.", _LINE, []),
        # Times without thousandths.
        ("1\n00:00:01 --> 00:00:02\n" + _LINE, _LINE, []),
        ("WEBVTT\n\nNOTE nothing yet\n", "", []),
        # Malformed: no number and no blank line before the second caption.
        (
            "1\n00:00:01,000 --> 00:00:02,000\nThe little boat\n"
            "00:00:02,000 --> 00:00:03,000\ndrifts slowly.",
            _LINE,
            [],
        ),
        # Not names.
        ("WARNING: Do not enter.", "WARNING: Do not enter.", []),
        ("Remember: Never give up.", "Remember: Never give up.", []),
        (
            "I want three things: Bread, milk and tea.",
            "I want three things: Bread, milk and tea.",
            [],
        ),
        ("Meet me at 12:30, not at 1:00.", "Meet me at 12:30, not at 1:00.", []),
        ("Note: 12:30 is late.", "Note: 12:30 is late.", []),
        ("Time: 12:30.", "Time: 12:30.", []),
        ("Hello: World.", "Hello: World.", []),
        ("A:B", "A:B", []),
        ("RATIO 3:4", "RATIO 3:4", []),
        ("他说\uff1a走吧", "他说\uff1a走吧", []),
        ("We are #1 here.", "We are #1 here.", []),
        ("#1 is the little boat.", "#1 is the little boat.", []),
        ("A smile :) and a frown :(", "A smile :) and a frown :(", []),
        ("The list (a) one\n\nand b) two.", "The list one and b) two.", ["(a)"]),
        ("An open [bracket\n\nand its end]", "An open [bracket and its end]", []),
        ("2 < 3 and 3 > 2", "2 < 3 and 3 > 2", []),
        ("well-known - and loved", "well-known - and loved", []),
        ("1", "1", []),
        ("[waves]", "", ["[waves]"]),
        ("", "", []),
    ],
)
def test_what_is_spoken_is_taken_and_the_rest_told(
    written: str, text: str, left_out: list[str]
) -> None:
    spoken = spoken_of(written)
    assert spoken.text == text
    assert spoken.left_out == left_out


_WORDS = st.from_regex(
    r"[A-Z]?[a-z]+(['\u2019-][a-z]+)?[,.!?;…]?|[0-9]{1,2}:[0-9]{2}", fullmatch=True
)


@given(st.lists(st.tuples(_WORDS, st.sampled_from([" ", "\n", "  ", "\r\n", "\t"])), max_size=12))
def test_plain_prose_stays_as_it_is(words: list[tuple[str, str]]) -> None:
    written = "".join(word + space for word, space in words)
    spoken = spoken_of(written)
    assert spoken.text == " ".join(word for word, _ in words)
    assert spoken.left_out == []


@given(st.text(max_size=200))
def test_any_text_is_taken(written: str) -> None:
    text = spoken_of(written).text
    assert text == " ".join(text.split())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_read_however_it_is_written(encoding: str) -> None:
    assert decoded("Café — das Boot".encode(encoding)) == ("Café — das Boot", True)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_old_encodings_are_guessed(encoding: str) -> None:
    assert decoded("Café".encode(encoding)) == ("Café", False)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(UnicodeError):
        text, _ = decoded(content)
        assert isinstance(text, str)


def test_the_file_and_the_remedy_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = tmp_path / "film_1.mov"
    clip.with_suffix(".txt").write_bytes("[waves] Café".encode("cp1252"))
    caplog.set_level(logging.INFO)
    assert read_sidecar(clip) == "Café"
    assert "film_1.txt is not in UTF-8" in caplog.text
    assert "Save it as UTF-8" in caplog.text
    assert "left out, as not spoken: [waves]" in caplog.text


def test_the_first_kind_of_file_is_taken(tmp_path: Path) -> None:
    clip = tmp_path / "film_1.mov"
    assert read_sidecar(clip) is None
    clip.with_suffix(".vtt").write_text(_VTT)
    assert read_sidecar(clip) == _LINE
    clip.with_suffix(".srt").write_text(_SRT.replace("slowly", "fast"))
    assert read_sidecar(clip) == "The little boat drifts fast."
    clip.with_suffix(".txt").write_text("\n")
    assert read_sidecar(clip) == "The little boat drifts fast."
    clip.with_suffix(".txt").write_text("Other.")
    assert read_sidecar(clip) == "Other."


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-be"])
def test_four_bytes_a_letter_are_read_where_marked(encoding: str) -> None:
    mark = "" if encoding == "utf-32" else "\ufeff"
    assert decoded((mark + "Café").encode(encoding)) == ("Café", True)


def test_a_mark_of_utf_8_before_another_encoding_is_only_a_mark() -> None:
    assert decoded(b"\xef\xbb\xbf" + "Café".encode("cp1252")) == ("Café", False)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfeH\0i",
        b"\xff\xfe\x00\xd8",
        b"\0\0\0\x1cftypqt  \0\0\0\0qt  ",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
        b"Hello\0there",
    ],
)
def test_what_is_no_text_is_told_and_the_clip_goes_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    clip = tmp_path / "film_1.mov"
    clip.with_suffix(".txt").write_bytes(content)
    assert read_sidecar(clip) is None
    assert "film_1.txt is damaged or no text" in caplog.text
    assert "Save it as UTF-8" in caplog.text


@pytest.mark.parametrize("suffix", [".TXT", ".SRT", ".VTT"])
def test_endings_may_be_in_capitals(tmp_path: Path, suffix: str) -> None:
    clip = tmp_path / "film_1.MOV"
    clip.with_suffix(suffix).write_text(_LINE)
    assert read_sidecar(clip) == _LINE
