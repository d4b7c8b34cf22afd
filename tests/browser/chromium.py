"""Debian's Chromium with a microphone that is a file, driven by Playwright."""

from __future__ import annotations

import io
import shutil
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray
from tests.process.server import ROOT

RATE: Final = 44_100
"""Of the fake microphone: what it gives is the file's own samples only at its own rate."""
CLIP: Final = "RiverTales-s01e01/part01"
LEAD_S: Final = 2.1
"""From the opening of the microphone to the picture's start: the count-in, and starting itself."""
_QUIET: Final = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic", "--disable-default-apps"),
)
_FAKE: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PATIENCE_MS: Final = 45_000


class Studio:
    """The page of a running server, and all that it complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        # That an answer was an error is not the page's fault.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def open(self, view: str = "") -> None:
        """Go to the list, or to a view by its address."""
        self.page.goto(f"{self.url}/studio#/{view}")

    def open_clip(self, clip: str = CLIP) -> None:
        """Go to a clip, and wait until its words can be chosen."""
        self.open(f"clip/{clip}")
        self.see(".stage .word")

    def see(self, selector: str) -> None:
        """Wait until something is there; nothing is held on to, as memory is looked at."""
        self.page.locator(selector).first.wait_for()

    def until(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true.

        Playwright's own waiting evaluates strings in the page, which the page's policy forbids.
        """
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"it never came true: {expression}"
            self.page.wait_for_timeout(30)

    def record(self) -> None:
        """Begin a take."""
        self.page.click("[data-act=record]")

    def score(self) -> float:
        """The score that is shown, once it is there."""
        shown = self.page.locator(".result [data-score]")
        return float(shown.get_attribute("data-score") or "nan")

    def failure(self) -> str:
        """The name of the failure that is shown, once it is there."""
        return self.page.locator("[data-failure]").get_attribute("data-failure") or ""

    def take(self) -> FloatArray:
        """The samples of the take that is shown, as the user would keep them."""
        with self.page.expect_download() as download:
            self.page.click("[data-save=take]")
        return samples_of(Path(download.value.path()).read_bytes())


@contextmanager
def chromium(
    url: str,
    folder: Path,
    microphone: Path | None = None,
    flags: Sequence[str] = (),
    scripts: Sequence[str] = (),
    **options: Any,
) -> Iterator[Studio]:
    """A browser that knows nothing yet.

    Args:
        url: of the server.
        folder: for its profile; empty or not there.
        microphone: file that it gives, once; none at all where None.
        flags: further ones.
        scripts: run before those of the page.
        options: of Playwright's context.
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    heard = (*_FAKE, f"--use-file-for-fake-audio-capture={microphone}%noloop") if microphone else ()
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder,
            executable_path=program,
            args=[*_QUIET, *heard, *flags],
            locale=options.pop("locale", "en-GB"),
            **{"viewport": {"width": 1280, "height": 900}, **options},
        )
        for script in scripts:
            context.add_init_script(script)
        try:
            yield Studio(_first_page(context), url)
        finally:
            context.close()


def _first_page(context: BrowserContext) -> Page:
    return context.pages[0] if context.pages else context.new_page()


def microphone_file(
    path: Path, recording: Path | FloatArray, lead_s: float = LEAD_S, gain: float = 1.0
) -> Path:
    """A file for the fake microphone: silence, then a recording, then silence."""
    samples = recording if isinstance(recording, np.ndarray) else _decoded(recording)
    parts = np.zeros(round(lead_s * RATE)), gain * samples, np.zeros(60 * RATE)
    values = np.clip(np.concatenate(parts), -1, 1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((values * 32_767).astype("<i2").tobytes())
    return path


def samples_of(content: bytes) -> FloatArray:
    """Those of a WAV file of 16 bits."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, RATE)
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return (values / 32_768).astype(np.float32)


def demo_take(name: str) -> Path:
    """A recording of the demo's first line of the river."""
    (path,) = (ROOT / "audio_clip").glob(f"RiverTales-s01e01_part01_{name}.*")
    return path


def _decoded(path: Path) -> FloatArray:
    return decode(path.read_bytes(), DecodeLimits(RATE, 0.1, 60.0)).samples
