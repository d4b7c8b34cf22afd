"""What goes wrong has its own plain message and a way on; no take is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Route

from tests.browser.chromium import Studio, chromium, demo_take, microphone_file
from tests.browser.conftest import key_file
from tests.process.server import ROOT, ServerProcess, running

pytestmark = [pytest.mark.browser, pytest.mark.process]
_FAKE_WITHOUT_CONSENT = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")


def _reject_with(name: str) -> str:
    return (
        "navigator.mediaDevices.getUserMedia = () => "
        f"Promise.reject(new DOMException('', '{name}'));"
    )


def test_no_microphone(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path) as studio:
        studio.open_clip()
        studio.record()
        assert studio.failure() == "noMicrophone"
        assert "Plug one in" in studio.page.inner_text("[data-failure]")
        assert studio.page.is_visible("text=Record again")


def test_permission_refused(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path, flags=_FAKE_WITHOUT_CONSENT) as studio:
        studio.open_clip()
        studio.record()
        assert studio.failure() == "permission"


def test_microphone_in_use(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path, scripts=[_reject_with("NotReadableError")]) as studio:
        studio.open_clip()
        studio.record()
        assert studio.failure() == "microphoneTaken"


def test_a_page_that_is_not_secure(tmp_path: Path) -> None:
    flags = ["--host-resolver-rules=MAP studio.test 127.0.0.1"]
    with running(AUDIO_SCORE_MODEL_KEYS="phones", AUDIO_SCORE_CACHE_DIR=str(tmp_path)) as server:
        server.wait_until_ready()
        url = server.url.replace("127.0.0.1", "studio.test")
        with chromium(url, tmp_path / "profile", flags=flags) as studio:
            studio.open_clip()
            studio.record()
            assert studio.failure() == "insecure"
            # A file is scored all the same.
            studio.page.set_input_files("input[type=file]", demo_take("right"))
            assert studio.score() > 0.9


def test_the_microphone_goes_away(server: ServerProcess, tmp_path: Path, right: Path) -> None:
    keep = """
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await real(wanted));
    """
    with chromium(server.url, tmp_path, right, scripts=[keep]) as studio:
        studio.open_clip()
        studio.record()
        studio.see("[data-stage=recording]")
        studio.page.evaluate("stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
        assert studio.failure() == "microphoneGone"


def test_the_page_is_hidden_while_recording(
    server: ServerProcess, tmp_path: Path, right: Path
) -> None:
    hide = """
      Object.defineProperty(document, 'hidden', { value: true });
      document.dispatchEvent(new Event('visibilitychange'));
    """
    with chromium(server.url, tmp_path, right) as studio:
        studio.open_clip()
        studio.record()
        studio.see("[data-stage=recording]")
        studio.page.evaluate(hide)
        assert studio.failure() == "hidden"


def test_a_busy_server_is_asked_again_when_it_says(
    server: ServerProcess, tmp_path: Path, right: Path
) -> None:
    asked: list[str] = []

    def refuse_once(route: Route) -> None:
        asked.append(route.request.method)
        if len(asked) > 1:
            route.fallback()
            return
        body = '{"detail": "Too many requests are under way.", "code": "queue_full"}'
        route.fulfill(status=503, headers={"Retry-After": "2"}, body=body)

    with chromium(server.url, tmp_path, right) as studio:
        studio.open_clip()
        studio.page.route("**/score", refuse_once)
        studio.record()
        assert studio.failure() == "busy"
        assert "in 2 s" in studio.page.inner_text("[data-failure]")
        assert studio.score() > 0.9
        assert asked == ["POST", "POST"]


def test_a_take_without_a_network_waits_and_is_sent(
    server: ServerProcess, tmp_path: Path, right: Path
) -> None:
    with chromium(server.url, tmp_path, right) as studio:
        page = studio.page
        studio.open_clip()
        studio.record()
        studio.see("[data-stage=recording]")
        page.context.set_offline(True)
        assert studio.failure() == "offline"
        studio.see(".history .waiting")
        page.context.set_offline(False)
        assert studio.score() > 0.9
        studio.see(".history b.good")
        assert page.locator(".waiting").count() == 0


def test_a_waiting_take_outlives_the_page(
    server: ServerProcess, tmp_path: Path, right: Path
) -> None:
    with chromium(server.url, tmp_path, right) as studio:
        page = studio.page
        page.route("**/score", lambda route: route.abort())
        studio.open_clip()
        studio.record()
        assert studio.failure() == "offline"
        page.close()
        page = page.context.new_page()
        studio = Studio(page, server.url)
        studio.open_clip()
        studio.see(".history b.good")


def test_a_recording_that_is_too_long(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path) as studio:
        studio.open_clip()
        long = microphone_file(tmp_path / "long.wav", demo_take("right"), lead_s=1)
        studio.page.set_input_files("input[type=file]", long)
        assert studio.failure() == "tooLong"
        assert "20" in studio.page.inner_text("[data-failure] .small")


def test_a_file_that_is_no_recording_is_told_in_the_servers_words(
    server: ServerProcess, tmp_path: Path
) -> None:
    with chromium(server.url, tmp_path) as studio:
        studio.open_clip()
        page = studio.page
        page.set_input_files("input[type=file]", ROOT / "pyproject.toml")
        assert studio.failure() == "server"
        assert "cannot be decoded" in page.inner_text("[data-failure] .small")


def test_a_clip_that_is_not_there(server: ServerProcess, tmp_path: Path) -> None:
    with chromium(server.url, tmp_path) as studio:
        studio.open("clip/nothing/there")
        assert studio.failure() == "gone"
        studio.page.click("[data-failure] button:has-text('Clips')")
        studio.see(".clip")


@pytest.mark.parametrize(
    ("gain", "hint"), [(0.004, "Very quiet"), (60.0, "Too loud")], ids=["quiet", "loud"]
)
def test_the_level_is_judged_while_one_speaks(
    server: ServerProcess, tmp_path: Path, gain: float, hint: str
) -> None:
    microphone = microphone_file(tmp_path / "mic.wav", demo_take("other"), 2.1, gain)
    with chromium(server.url, tmp_path / "profile", microphone) as studio:
        studio.open_clip()
        studio.record()
        studio.see(f".hint:has-text('{hint}')")


def test_a_server_with_keys_asks_for_one(tmp_path: Path, right: Path) -> None:
    variables = {
        "AUDIO_SCORE_API_KEYS_FILE": str(key_file(tmp_path / "keys", "a-key-for-reading-alone")),
        "AUDIO_SCORE_CACHE_DIR": str(tmp_path / "cache"),
        "AUDIO_SCORE_MODEL_KEYS": "phones",
    }
    with running(**variables) as server:
        server.wait_until_ready()
        with chromium(server.url, tmp_path / "profile", right) as studio:
            page = studio.page
            studio.open()
            page.fill("#key", "a-wrong-key-that-nobody-knows")
            page.click("text=Use it")
            studio.see("#key")
            page.fill("#key", "a-key-for-reading-alone")
            page.click("text=Use it")
            studio.see(".picture video")
            page.click("text=The little boat")
            studio.see(".stage .word")
            assert page.evaluate("document.querySelector('.stage video').src").startswith("blob:")
            studio.record()
            assert studio.score() > 0.9
            assert studio.complaints == []
