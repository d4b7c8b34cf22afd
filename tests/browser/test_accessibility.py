"""Nothing that axe finds against WCAG 2.2 AA, in either colours, in each view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.chromium import Studio, chromium, demo_take
from tests.browser.conftest import ADMIN_KEY
from tests.process.server import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.process]
_RULES: Final = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
}


def _library(studio: Studio) -> None:
    studio.open()
    studio.see(".picture video")


def _clip(studio: Studio) -> None:
    studio.open_clip()


def _result(studio: Studio) -> None:
    studio.open_clip()
    studio.page.set_input_files("input[type=file]", demo_take("half"))
    studio.see("canvas.waves")
    studio.page.locator(".result .word").first.click()
    studio.page.click(".phones summary")


def _failure(studio: Studio) -> None:
    studio.open_clip()
    studio.record()
    studio.failure()


def _key(studio: Studio) -> None:
    studio.open("teacher")
    studio.see("#key")


def _teacher(studio: Studio) -> None:
    _key(studio)
    studio.page.fill("#key", ADMIN_KEY)
    studio.page.click("text=Use it")
    studio.see(".teacher-list li")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("show", [_library, _clip, _result, _failure, _key, _teacher])
def test_axe_finds_nothing(
    server: ServerProcess, tmp_path: Path, show: Callable[[Studio], None], colours: str
) -> None:
    looks: dict[str, Any] = {"color_scheme": colours, "reduced_motion": "reduce"}
    with chromium(server.url, tmp_path, **looks) as studio:
        show(studio)
        found = Axe().run(studio.page, options=_RULES).response["violations"]
        told = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
        assert told == []


def test_what_the_rules_find_is_found(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path) as studio:
        _library(studio)
        studio.page.evaluate("document.querySelector('#search').removeAttribute('aria-label')")
        studio.page.evaluate("document.querySelector('#search').removeAttribute('placeholder')")
        found = Axe().run(studio.page, options=_RULES).response["violations"]
        assert "label" in [each["id"] for each in found]
