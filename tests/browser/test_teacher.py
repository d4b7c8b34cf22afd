"""A teacher adds a clip, changes it, sees how it scores, takes it out; none does without a key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import CLIP, Studio, chromium
from tests.browser.conftest import ADMIN_KEY
from tests.process.server import ROOT, ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture
def studio(server: ServerProcess, tmp_path: Path) -> Iterator[Studio]:
    with chromium(server.url, tmp_path / "profile") as studio:
        studio.page.on("dialog", lambda dialog: dialog.accept())
        studio.open("teacher")
        yield studio


@pytest.fixture
def media(tmp_path: Path) -> Path:
    path = tmp_path / "new.mov"
    shutil.copy(ROOT / "video_clip" / f"{CLIP.replace('/', '_')}.mov", path)
    return path


def _enter(studio: Studio, key: str) -> None:
    studio.page.fill("#key", key)
    studio.page.click("text=Use it")


def _upload(studio: Studio, media: Path) -> None:
    page = studio.page
    page.set_input_files("#new-media", media)
    for name, value in (("uid", "Lesson"), ("cid", "one"), ("text", "The little boat.")):
        page.fill(f"#new-{name}", value)
    page.click("text=Upload")


def test_a_clip_lives_its_life(studio: Studio, media: Path) -> None:
    _enter(studio, ADMIN_KEY)
    _upload(studio, media)
    row = studio.page.locator(".teacher-list li:has-text('Lesson')")
    row.locator("input").fill("The little boat drifts slowly toward the morning sun.")
    row.locator("[data-act=save]").click()
    studio.see(".notice:has-text('Saved')")
    row.locator("[data-act=compare]").click()
    row.locator("ol li").nth(3).wait_for()
    own, *_ = row.locator("ol b").all_inner_texts()
    assert int(own) >= 95
    _upload(studio, media)
    assert studio.failure() == "changed", "there is one of this name already"
    row.locator("[data-act=delete]").click()
    row.wait_for(state="detached")
    assert studio.complaints == []


def test_a_wrong_key_changes_nothing(studio: Studio, media: Path) -> None:
    _enter(studio, "a-wrong-key-that-nobody-knows")
    _upload(studio, media)
    assert studio.failure() == "key"
    studio.page.click("text=Another key")
    _enter(studio, ADMIN_KEY)
    studio.see(".teacher-list li")
    assert studio.page.locator(".teacher-list li:has-text('Lesson')").count() == 0


def test_the_key_goes_with_the_tab(studio: Studio) -> None:
    _enter(studio, ADMIN_KEY)
    studio.see(".teacher-list li")
    kept = studio.page.evaluate("JSON.stringify(localStorage)")
    assert ADMIN_KEY not in kept
    fresh = studio.page.context.new_page()
    fresh.goto(f"{studio.url}/studio#/teacher")
    fresh.locator("#key").wait_for()
