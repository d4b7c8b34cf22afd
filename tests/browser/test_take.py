"""A take is what was said, from the picture's first moment on, and takes do not pile up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from audio_score_server.domain import FloatArray
from tests.browser.chromium import CLIP, RATE, Studio, chromium, microphone_file
from tests.process.server import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(900)]
TAKES: Final = int(os.environ.get("STUDIO_TAKES", "3"))
_OFFSET_S: Final = 0.02
_BRIDGED_OFFSET_S: Final = 0.06
"""Through a node of an audio context, whose buffers are full or empty as chance has it."""
_FRAMES: Final = 12
_TAP: Final = """
(() => {
  const devices = navigator.mediaDevices;
  const real = devices.getUserMedia.bind(devices);
  const Processor = window.MediaStreamTrackProcessor;
  window.tap = { blocks: [], shown: [] };
  devices.getUserMedia = async (wanted) => {
    const stream = await real(wanted);
    const track = stream.getAudioTracks()[0].clone();
    window.tap = { blocks: [], shown: [] };
    const reader = new Processor({ track, maxBufferSize: 500 }).readable.getReader();
    const read = async () => {
      for (let left = 60; left > 0; left--) {
        const { value } = await reader.read();
        const samples = new Float32Array(value.numberOfFrames);
        value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        window.tap.blocks.push({ arrived: performance.now(), samples: [...samples] });
        value.close();
      }
      track.stop();
    };
    read();
    return stream;
  };
  document.addEventListener("play", ({ target }) => {
    const { shown } = window.tap;
    const note = (_, frame) => {
      shown.push(frame.expectedDisplayTime - 1000 * frame.mediaTime);
      if (shown === window.tap.shown) target.requestVideoFrameCallback(note);
    };
    target.requestVideoFrameCallback(note);
  }, true);
})();
"""
"""What the page does not know of: when the first blocks came, and when frames were shown."""
_NO_TRACK_BLOCKS: Final = "delete window.MediaStreamTrackProcessor;"


@pytest.fixture(scope="module")
def noise() -> FloatArray:
    """Different everywhere, so that a piece of it tells where it is from."""
    return (0.1 * np.random.default_rng(1).standard_normal(30 * RATE)).astype(np.float32)


def _place(piece: FloatArray, whole: FloatArray) -> tuple[int, float]:
    """Where a piece is from, and how like it is what is there: their cosine."""
    size = 2 ** (len(whole) + len(piece)).bit_length()
    spectrum = np.fft.rfft(whole, size) * np.fft.rfft(piece, size).conj()
    place = int(np.fft.irfft(spectrum, size)[: len(whole)].argmax())
    there = whole[place : place + len(piece)]
    return place, float(piece @ there / (np.linalg.norm(piece) * np.linalg.norm(there) + 1e-9))


def _expected_places(tap: dict[str, Any], whole: FloatArray) -> tuple[float, float]:
    """Where in the file the microphone was, in samples, when the picture's time 0 was shown.

    A block comes with its last sample; the quickest tell when. Frames differ by less than a
    millisecond, unless the machine is so busy that the picture stumbles: thus first and last place.
    """
    blocks = tap["blocks"]
    samples = np.concatenate([block["samples"] for block in blocks]).astype(np.float32)
    first, likeness = _place(samples[-RATE // 4 :], whole)
    assert likeness > 0.99
    ends = np.cumsum([len(block["samples"]) for block in blocks])
    starts = [block["arrived"] - 1000 * end / RATE for block, end in zip(blocks, ends, strict=True)]
    place = first - (len(samples) - RATE // 4)
    shown = [place + (time - min(starts)) * RATE / 1000 for time in tap["shown"][1:_FRAMES]]
    return min(shown), max(shown)


def _off_s(place: int, tap: dict[str, Any], whole: FloatArray) -> float:
    """How far a place is from where it should be, in seconds."""
    first, last = _expected_places(tap, whole)
    return max(0.0, first - place, place - last) / RATE


def _check(studio: Studio, noise: FloatArray, offset_s: float) -> None:
    studio.record()
    studio.see("[data-stage=counting]")
    studio.score()
    take = studio.take()
    tap = studio.page.evaluate("window.tap")
    place, likeness = _place(take, noise)
    assert likeness > 0.9999, "there is a gap in the take"
    assert _off_s(place, tap, noise) < offset_s


def test_takes_are_what_was_said_from_the_picture_on(
    server: ServerProcess, tmp_path: Path, noise: FloatArray
) -> None:
    microphone = microphone_file(tmp_path / "noise.wav", noise, lead_s=0)
    with chromium(server.url, tmp_path / "profile", microphone, scripts=[_TAP]) as studio:
        studio.open_clip()
        for _ in range(TAKES):
            _check(studio, noise, _OFFSET_S)
        assert studio.complaints == []


def test_so_they_are_where_the_browser_hands_out_no_blocks(
    server: ServerProcess, tmp_path: Path, noise: FloatArray
) -> None:
    microphone = microphone_file(tmp_path / "noise.wav", noise, lead_s=0)
    scripts = [_TAP, _NO_TRACK_BLOCKS]
    with chromium(server.url, tmp_path / "profile", microphone, scripts=scripts) as studio:
        studio.open_clip()
        studio.record()
        studio.see("[data-stage=counting]")
        studio.score()
        take = studio.take()
        # What a busy machine makes Chromium lose on this way is not the page's to hold.
        place, likeness = _place(take[: RATE // 4], noise)
        assert likeness > 0.9
        assert _off_s(place, studio.page.evaluate("window.tap"), noise) < _BRIDGED_OFFSET_S
        assert studio.complaints == []


def test_many_takes_leave_no_memory_behind(
    server: ServerProcess, tmp_path: Path, right: Path
) -> None:
    with chromium(server.url, tmp_path / "profile", right) as studio:
        page = studio.page
        devtools = page.context.new_cdp_session(page)

        def used() -> tuple[float, float]:
            devtools.send("HeapProfiler.collectGarbage")
            devtools.send("Performance.enable")
            metrics = devtools.send("Performance.getMetrics")["metrics"]
            values = {metric["name"]: metric["value"] for metric in metrics}
            return values["JSHeapUsedSize"], values["Nodes"]

        def takes(count: int) -> None:
            for _ in range(count):
                studio.record()
                studio.see("[data-stage=counting]")
                studio.score()
                studio.see("canvas.waves")

        studio.open_clip(CLIP)
        takes(2)
        before = used()
        takes(TAKES)
        after = used()
        # A take alone is 0.4 MB, its decoded sound twice that.
        assert after[0] - before[0] < 1_500_000
        assert after[1] - before[1] < 200
