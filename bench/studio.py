"""How fast the studio is, in a real Chromium: its weight, its first view, a take's score.

.venv/bin/python -m bench.studio
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from audio_score_server.studio.assets import Studio as Files
from bench.measure import median
from tests.browser.chromium import CLIP, Studio, chromium, demo_take, microphone_file
from tests.process.server import running

_VIEWS: Final = 5
_TAKES: Final = 7
_FIRST_VIEW_MS: Final = 500
_BEYOND_SERVER_MS: Final = 150
_WATCH: Final = """
window.marks = { long: [], ended: 0, scored: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.marks.long.push([entry.startTime, entry.duration]);
}).observe({ entryTypes: ["longtask"] });
const ask = window.fetch;
window.fetch = async (path, options) => {
  if (String(path) !== "score") return ask(path, options);
  window.marks.ended = performance.now();
  const answer = await ask(path, options);
  window.marks.timing = answer.headers.get("Server-Timing");
  return answer;
};
new MutationObserver(() => {
  if (document.querySelector(".result [data-score]")) window.marks.scored ||= performance.now();
  if (document.querySelector("[data-stage=recording]")) window.marks.began ||= performance.now();
}).observe(document, { childList: true, subtree: true, attributes: true });
"""
"""Notes when a take is sent, and when its score is in the page."""
_FIRST_VIEW: Final = """
new Promise((resolve) => {
  const look = () => {
    if (document.querySelector(".clip")) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})
"""


def main() -> None:
    """Print the tables of docs/performance.md."""
    files = Files.load()
    sizes = [len(each.compressed) for each in (files.page, *files.assets.values())]
    print(f"Page with all its files, compressed: {sum(sizes) / 1000:.0f} kB in {len(sizes)} files")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        microphone = microphone_file(folder / "microphone.wav", demo_take("other"))
        variables = {"AUDIO_SCORE_CACHE_DIR": str(folder / "cache")}
        with running("--model-keys", "phones", **variables) as server:
            server.wait_until_ready()
            views = [_first_view(server.url, folder / f"view{each}") for each in range(_VIEWS)]
            print(f"First view, nothing cached: {median(views):.0f} ms (at most {_FIRST_VIEW_MS})")
            with chromium(server.url, folder / "takes", microphone, scripts=[_WATCH]) as studio:
                _takes(studio)


def _first_view(url: str, profile: Path) -> float:
    """Milliseconds from the navigation to the first clip of the list, in a new browser."""
    with chromium(url, profile) as studio:
        studio.open()
        return float(studio.page.evaluate(_FIRST_VIEW))


def _takes(studio: Studio) -> None:
    studio.open_clip(CLIP)
    marks = [_take(studio) for _ in range(_TAKES)]
    waits = [mark["scored"] - mark["ended"] for mark in marks]
    servers = [_server_ms(mark["timing"]) for mark in marks]
    beyond = [wait - server for wait, server in zip(waits, servers, strict=True)]
    print(f"From sending a take to its score in the page: {median(waits):.0f} ms")
    print(f"  of which the server: {median(servers):.0f} ms")
    print(f"  the rest: {median(beyond):.0f} ms (at most {_BEYOND_SERVER_MS})")
    longest = max((long for mark in marks for long in mark["recording"]), default=0.0)
    print(f"Longest task while recording: {longest:.0f} ms (0: none above 50)")


def _take(studio: Studio) -> dict[str, Any]:
    """Marks of one take."""
    page = studio.page
    page.evaluate("window.marks = { long: [], ended: 0, scored: 0, began: 0 }")
    studio.record()
    studio.see("[data-stage=counting]")
    studio.score()
    studio.see("canvas.waves")
    marks: dict[str, Any] = page.evaluate("window.marks")
    marks["recording"] = [
        duration for start, duration in marks["long"] if marks["began"] < start < marks["ended"]
    ]
    return marks


def _server_ms(timing: str) -> float:
    """The whole time in a ``Server-Timing`` header."""
    durations = dict(part.strip().split(";dur=") for part in timing.split(","))
    return float(durations.get("total", sum(map(float, durations.values()))))


if __name__ == "__main__":
    main()
