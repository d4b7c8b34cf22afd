"""A newcomer's way: from the list to a score, with the keyboard too, on a phone, in the dark."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import CLIP, Studio, chromium, demo_take
from tests.process.server import ROOT, ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.process]
_PHONE = {"width": 390, "height": 844}
_PICTURES = os.environ.get("STUDIO_PICTURES")


def _picture(studio: Studio, name: str) -> None:
    """For the documentation, on demand: with ``STUDIO_PICTURES`` set."""
    if _PICTURES:
        studio.page.mouse.move(0, 0)
        studio.page.wait_for_timeout(300)
        studio.page.screenshot(path=ROOT / "docs" / f"{name}.png")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("studio", {"color_scheme": "light", "viewport": {"width": 1280, "height": 1060}}),
        ("studio-dark", {"color_scheme": "dark", "viewport": {"width": 1280, "height": 1060}}),
        ("studio-phone", {"color_scheme": "light", "viewport": _PHONE, "has_touch": True}),
    ],
)
def test_from_the_list_to_a_score(
    server: ServerProcess, tmp_path: Path, right: Path, name: str, options: dict[str, Any]
) -> None:
    with chromium(server.url, tmp_path, right, **options) as studio:
        page = studio.page
        page.goto(server.url)
        assert page.url.endswith("/studio")
        page.fill("#search", "boat river")
        studio.until("document.querySelectorAll('.clip').length === 1")
        page.click("text=The little boat")
        studio.see(".stage .word")
        page.click("[data-act=listen]")
        studio.see(".stage .word.lit")
        studio.see(".stage .word.past:has-text('drifts')")
        studio.record()
        studio.see(".count:has-text('3')")
        studio.see("[data-stage=recording] video")
        assert page.evaluate("document.querySelector('video').muted")
        assert studio.score() > 0.9
        assert page.locator(".line-box .word.good").count() >= 6
        studio.see("canvas.waves")
        _picture(studio, name)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= options["viewport"]["width"]
        page.click(".back")
        studio.see(".badge.good")
        assert studio.complaints == []


def test_a_wrong_line_is_told_and_its_words_can_be_heard(
    server: ServerProcess, tmp_path: Path, wrong: Path
) -> None:
    with chromium(server.url, tmp_path, wrong) as studio:
        page = studio.page
        studio.open_clip()
        studio.record()
        assert studio.score() < 0.2
        assert "another line" in page.inner_text(".advice")
        studio.see("canvas.waves")
        # A score tells the places of words that something else was said for.
        page.locator(".result .word").nth(2).click()
        page.click("[data-act='word.theirs'] >> nth=0")
        page.click(".phones summary")
        page.locator(".phone").first.click()
        assert page.inner_text(".phone-text")
        page.click("[data-act='result.dub']")
        studio.until("!document.querySelector('video').paused")
        studio.until("document.querySelector('video').paused")
        assert studio.complaints == []


def test_a_clip_without_a_picture(server: ServerProcess, tmp_path: Path, right: Path) -> None:
    with chromium(server.url, tmp_path, right) as studio:
        studio.open_clip("Sound/part01")
        studio.record()
        studio.see("[data-stage=recording]")
        studio.see(".stage .word.lit")
        assert studio.score() > 0.9
        assert "You started" in studio.page.inner_text(".timing")
        assert studio.complaints == []


def test_everything_goes_by_keyboard(server: ServerProcess, tmp_path: Path, right: Path) -> None:
    with chromium(server.url, tmp_path, right) as studio:
        page = studio.page
        studio.open()
        studio.see(".clip")
        page.locator(".clip").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        studio.see(".stage .word")
        assert CLIP in page.url
        page.keyboard.press("s")
        page.keyboard.press(" ")
        studio.until("!document.querySelector('video').paused")
        video = "document.querySelector('video')"
        assert page.evaluate(f"[{video}.playbackRate, {video}.preservesPitch]") == [0.75, True]
        page.keyboard.press("Escape")
        studio.until("document.querySelector('video').paused")
        page.keyboard.press("r")
        studio.see("[data-stage=counting]")
        page.keyboard.press("Escape")
        studio.see("[data-stage=idle]")
        page.keyboard.press("r")
        assert studio.score() > 0.9
        assert studio.complaints == []


def test_a_phrase_is_heard_again_and_again(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path) as studio:
        page = studio.page
        studio.open_clip()
        page.click("[data-act=loop]")
        page.click(".stage .word:has-text('little')")
        page.click(".stage .word:has-text('boat')", modifiers=["Shift"])
        assert page.locator(".stage .word[aria-pressed=true]").count() == 2
        # Twice back to its beginning, and never beyond its end.
        times = page.evaluate(
            """new Promise((resolve) => {
              const video = document.querySelector('video'); const times = []; let turns = 0;
              const look = () => {
                const time = video.currentTime;
                if (times.length && time < times[times.length - 1]) turns += 1;
                times.push(time);
                if (turns < 2) requestAnimationFrame(look); else resolve(times);
              };
              look();
            })"""
        )
        assert max(times) < 1.3
        assert studio.complaints == []


def test_a_file_is_scored_and_kept(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path) as studio:
        page = studio.page
        studio.open_clip()
        page.set_input_files("input[type=file]", demo_take("right"))
        assert studio.score() > 0.9
        with page.expect_download() as download:
            page.click("[data-save=score]")
        answer = json.loads(Path(download.value.path()).read_text())
        assert answer["model"] == "phones"
        with page.expect_download() as download:
            page.click("[data-save=picture]")
        assert "<svg" in Path(download.value.path()).read_text()
        page.reload()
        page.click(".history button")
        assert studio.score() == pytest.approx(answer["sim_score"])
        assert studio.complaints == []


def test_another_language_is_a_choice(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path, locale="de-DE") as studio:
        page = studio.page
        studio.open()
        studio.see("h1:has-text('Clips')")
        assert page.get_attribute("html", "lang") == "de"
        assert page.get_attribute("#search", "placeholder") == "Sätze und Videos suchen"
        page.select_option("#language", "en")
        studio.see("text=Pick a clip")
        page.select_option("#theme", "dark")
        page.reload()
        studio.see("text=Pick a clip")
        assert page.get_attribute("html", "data-theme") == "dark"
        assert studio.complaints == []
