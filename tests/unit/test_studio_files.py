"""The studio's files: whole in every language, nothing inline or from elsewhere, small."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from audio_score_server import studio
from audio_score_server.language.phones import PHONES
from audio_score_server.scoring.recording_warnings import RecordingWarning
from audio_score_server.studio.assets import Studio

FOLDER: Final = Path(studio.__file__).parent
SCRIPTS: Final = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.js"))}
WORDS: Final = {
    path.stem: json.loads(path.read_text("utf-8")) for path in (FOLDER / "i18n").glob("*.json")
}
_LONGEST_MODULE: Final = 300
_LARGEST_PAGE: Final = 200_000
_BUILT_FROM: Final = ("failure", "stage", "mark", "take", "teacher", "steps", "save", "theme")


def _keys_in_use() -> set[str]:
    """Of words whose key is written out; those that are put together are looked for by prefix."""
    text = "\n".join(SCRIPTS.values())
    plain = set(re.findall(r'\bt\("([\w.]+)"', text))
    parts = set(re.findall(r'\b(?:part|button|each)\("([\w]+\.[\w.]+)"', text))
    advice = {f"advice.{name}" for name in re.findall(r'\bof\("(\w+)"', text)}
    failures = {f"failure.{name}" for name in re.findall(r'new Failure\("(\w+)"', text)}
    return plain | parts | advice | failures


def test_every_language_has_the_same_words() -> None:
    assert {"en", "de"} <= set(WORDS)
    for code, words in WORDS.items():
        assert set(words) == set(WORDS["en"]), code
        for key, text in words.items():
            there = re.findall(r"\{(\w+)\}", WORDS["en"][key])
            assert sorted(re.findall(r"\{(\w+)\}", text)) == sorted(there), (code, key)


def test_every_word_in_use_is_there_and_every_one_there_is_used() -> None:
    used = _keys_in_use()
    assert used - set(WORDS["en"]) == set()
    prefixes = (*(f"{each}." for each in _BUILT_FROM), "phone.", "advice.", "part.")
    idle = {key for key in WORDS["en"] if key not in used and not key.startswith(prefixes)}
    text = "\n".join(SCRIPTS.values())
    assert {key for key in idle if f'"{key}"' not in text} == {"language.name"}


def test_every_warning_and_every_phone_has_words() -> None:
    warnings = RecordingWarning.__args__  # type: ignore[attr-defined]
    assert {f"advice.{each}" for each in warnings} <= set(WORDS["en"])
    assert {f"phone.{each}" for each in PHONES} <= set(WORDS["en"])


@pytest.mark.parametrize("name", [*SCRIPTS, "index.html", "style.css"])
def test_nothing_is_from_elsewhere(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://", text)
    assert "innerHTML" not in text
    assert not re.search(r"\bstyle=|\bon\w+=\"|<style|javascript:", text)


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_modules_are_small_checked_and_described(name: str) -> None:
    lines = SCRIPTS[name].splitlines()
    assert len(lines) <= _LONGEST_MODULE
    assert lines[0] == "// @ts-check"
    assert lines[1].startswith("/**")


def test_the_page_is_light() -> None:
    loaded = Studio.load()
    sizes = [len(each.compressed) for each in (loaded.page, *loaded.assets.values())]
    assert sum(sizes) < _LARGEST_PAGE


def test_assets_are_named_by_what_is_in_them() -> None:
    loaded = Studio.load()
    page = loaded.page.content.decode()
    assert "{{" not in page
    addresses = re.findall(rf'"studio/{loaded.digest}/([\w./-]+)"', page)
    assert {"main.js", "style.css", "icon.svg"} <= set(addresses)
    assert set(addresses) <= set(loaded.assets)
    assert "de=Deutsch" in page
    assert gzip.decompress(loaded.assets["main.js"].compressed).decode() == SCRIPTS["main.js"]


def test_types_hold(tmp_path: Path) -> None:
    compiler = shutil.which("tsc")
    if compiler is None:
        pytest.skip("tsc is not installed")
    options = ["--checkJs", "--allowJs", "--noEmit", "--strict", "--module", "es2022"]
    options += ["--target", "es2022", "--moduleResolution", "bundler", "--types", ""]
    options += ["--lib", "es2023,dom,dom.iterable"]
    files = [str(FOLDER / name) for name in SCRIPTS]
    checked = subprocess.run([compiler, *options, *files], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_the_first_view_fetches_what_it_needs_and_no_more() -> None:
    page = Studio.load().page.content.decode()
    preloaded = set(re.findall(r'modulepreload" href="studio/\w+/([\w-]+\.js)"', page))
    assert {"main.js", "library.js", "api.js", "preferences.js"} <= preloaded
    assert not {"practice.js", "teacher.js", "recorder-worklet.js"} & preloaded
    for name in preloaded:
        assert set(re.findall(r'from "\./([\w-]+\.js)"', SCRIPTS[name])) <= preloaded
