from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.api_keys import ApiKeys
from audio_score_server.errors import SettingsError
from audio_score_server.settings import Settings, load_settings

FIRST: Final = "0123456789abcdef"
SECOND: Final = "x" * 40
_KEYS: Final = st.text("abcXYZ019._~+/=-", min_size=16, max_size=24)


def _file(folder: Path, content: str | bytes, mode: int = 0o640) -> Path:
    path = folder / "keys"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        ApiKeys.load(path)
    return str(caught.value)


@given(st.lists(_KEYS, min_size=1, max_size=4), _KEYS)
def test_its_keys_are_admitted_and_no_others(keys: list[str], other: str) -> None:
    known = ApiKeys(keys)
    assert all(known.admits(f"Bearer {key}") for key in keys)
    assert known.admits(f"Bearer {other}") == (other in keys)


def test_comments_blank_lines_and_line_ends_are_no_keys(tmp_path: Path) -> None:
    keys = ApiKeys.load(_file(tmp_path, f"# the app\r\n{FIRST}\r\n\n  # tests\n  {SECOND}"))
    assert keys.admits(f"Bearer {FIRST}")
    assert keys.admits(f"Bearer {SECOND}")
    assert not keys.admits("Bearer # the app")
    assert not keys.admits("Bearer ")


@pytest.mark.parametrize("header", [f"bearer {FIRST}", f"BEARER  {FIRST} "])
def test_the_schemes_case_and_spaces_do_not_matter(header: str) -> None:
    assert ApiKeys([FIRST]).admits(header)


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", FIRST, f"Basic {FIRST}", f"Bearer{FIRST}", f"Bearer {FIRST[:-1]}"),
        *("Bearer \xe9", f"Bearer {FIRST}, Bearer {FIRST}", f"Bearer {FIRST.upper()}"),
    ],
)
def test_anything_else_is_not_admitted(header: str | None) -> None:
    assert not ApiKeys([FIRST]).admits(header)


def test_clients_are_told_apart_without_their_keys() -> None:
    keys = ApiKeys([FIRST, SECOND])
    one, other = (keys.client_of(f"Bearer {key}") for key in (FIRST, SECOND))
    assert one != other
    assert FIRST not in str(one)
    assert FIRST not in repr(vars(keys))


@pytest.mark.parametrize("content", ["", "\n \n", "# only a comment\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    assert "holds no API key" in _refusal(_file(tmp_path, content))


@pytest.mark.parametrize(
    "line", ["short", "two words of a key", "name: 0123456789abcdef", "schl\xfcssel-0123456789"]
)
def test_a_line_that_is_no_key_is_named_by_its_number_only(tmp_path: Path, line: str) -> None:
    rejection = _refusal(_file(tmp_path, f"{FIRST}\n{line}\n"))
    assert "line 2" in rejection
    assert "openssl rand" in rejection
    assert line not in rejection
    assert FIRST not in rejection


def test_a_file_that_everyone_may_read_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, FIRST, mode=0o644)
    assert "may be read by everyone. Run: chmod o=" in _refusal(path)


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "No such file" in _refusal(tmp_path / "missing")
    assert "must be a file" in _refusal(pipe)
    assert "must be a file" in _refusal(tmp_path)
    assert "is no text" in _refusal(_file(tmp_path, b"\xff\xfe" + FIRST.encode()))


def test_a_wrong_file_is_a_wrong_setting(tmp_path: Path) -> None:
    _file(tmp_path, "short\n")
    config = tmp_path / "config.json"
    config.write_text('{"models": [{"key": "a", "type": "fake"}], "api_keys_file": "keys"}')
    with pytest.raises(SettingsError, match=r"config\.json: api_keys_file: .*keys, line 1"):
        load_settings({}, {}, config)
    _file(tmp_path, FIRST)
    loaded: Settings = load_settings({}, {}, config)
    assert loaded.api_keys_file == tmp_path / "keys"
