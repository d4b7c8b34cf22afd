"""Windows as long as they need to be, and hearing again what looks made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from audio_score_server.domain import Encoding, Transcript, Utterance, Waveform
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.runners.whisper import transcriber
from audio_score_server.runners.whisper.hallucination import hallucination_signs
from audio_score_server.settings import Settings, WhisperSettings
from tests.checkpoints import RATE, babble, make_whisper

LONGEST_S: Final = 9
LENGTHS_S: Final = (1.0, 3.9, 1.9, 2.1, 8.9, 0.4)
"""Of recordings, for windows of 5, 7, 5, 7, 9 and 5 s."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that says more letters a second than anyone could."""
    folder = tmp_path_factory.mktemp("checkpoint")
    return make_whisper(folder, letters=True, seed=0, window_s=LONGEST_S)


def _load(folder: Path, most_tokens: int, window: float | str = "auto") -> Runner[Any]:
    model = WhisperSettings.model_validate(
        {
            "key": "whisper",
            "type": "whisper",
            "model_id": str(folder),
            "dtype": "float32",
            "language": "en",
            "encoder_window_s": window,
            "max_new_tokens": most_tokens,
        }
    )
    return Loader(Settings(models=(model,), device="cpu")).load(model)


def _run(
    runner: Runner[Any], waveforms: list[Waveform], expected: Transcript | None = None
) -> list[Encoding]:
    return runner.run([Utterance(runner.prepare(waveform), expected) for waveform in waveforms])


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Recordings for several windows."""
    return [Waveform(babble(seed, length), RATE) for seed, length in enumerate(LENGTHS_S)]


FEW: Final = 4
"""So few letters are never too many for a second, nor go round."""
MANY: Final = 60


def test_each_recording_is_heard_in_the_shortest_window_that_has_room_for_silence(
    folder: Path, waveforms: list[Waveform]
) -> None:
    together = _run(_load(folder, FEW), waveforms)
    windows = {
        window: _run(_load(folder, FEW, window), waveforms)
        for window in (5.0, 7.0, float(LONGEST_S))
    }
    for place, window in enumerate((5.0, 7.0, 5.0, 7.0, float(LONGEST_S), 5.0)):
        fixed, own = windows[window][place], together[place]
        assert own.retried or own.transcript == fixed.transcript
        np.testing.assert_allclose(own.features.frames, fixed.features.frames, atol=1e-4)
    assert not all(encoding.retried for encoding in together)


def test_what_looks_made_up_is_heard_again_in_the_longest_window(
    folder: Path, waveforms: list[Waveform]
) -> None:
    longest, short = _load(folder, MANY, LONGEST_S), _load(folder, MANY, 5.0)
    auto = _load(folder, MANY)
    changed = 0
    for waveform in [Waveform(babble(seed, 2.0), RATE) for seed in range(4)]:
        (own,), (first,), (second,) = (_run(each, [waveform]) for each in (auto, short, longest))
        fewer = [hallucination_signs(each.transcript.text, 2.0, 0.0) for each in (first, second)]
        # It may be doubted for its likelihood too.
        assert own.retried or not fewer[0]
        if own.retried and fewer[0] != fewer[1]:
            better = first if fewer[0] < fewer[1] else second
            assert own.transcript == better.transcript
        changed += own.transcript == second.transcript != first.transcript
        # Features are compared with a clip's, which has a window by the same rule.
        np.testing.assert_allclose(own.features.frames, first.features.frames, atol=1e-4)
    assert changed


def test_what_is_expected_is_no_reason_to_hear_again(folder: Path) -> None:
    auto, short = _load(folder, MANY), _load(folder, MANY, 5.0)
    waveform = Waveform(babble(0, 1.0), RATE)
    (first,) = _run(short, [waveform])
    assert _run(auto, [waveform])[0].retried
    (own,) = _run(auto, [waveform], auto.expected(first.transcript.text))
    assert own.retried == 0
    assert own.transcript.text == first.transcript.text


def test_the_longest_window_is_not_heard_again(folder: Path, waveforms: list[Waveform]) -> None:
    encodings = _run(_load(folder, MANY, LONGEST_S), waveforms)
    assert not any(encoding.retried for encoding in encodings)


@pytest.mark.parametrize("most", [FEW, MANY])
def test_an_encoding_does_not_depend_on_what_it_is_heard_with(
    folder: Path, waveforms: list[Waveform], most: int
) -> None:
    runner = _load(folder, most)
    expected = runner.expected("a b c d")
    for waveform, together in zip(waveforms, _run(runner, waveforms, expected), strict=True):
        (alone,) = _run(runner, [waveform], expected)
        assert alone.transcript == together.transcript
        assert alone.retried == together.retried
        assert alone.evidence is not None
        assert together.evidence is not None
        np.testing.assert_allclose(alone.evidence, together.evidence, atol=1e-4)
        np.testing.assert_allclose(alone.features.frames, together.features.frames, atol=1e-4)


def test_a_long_recording_has_a_window_for_each_of_its_parts(folder: Path) -> None:
    runner = _load(folder, FEW)
    quiet = np.zeros(RATE // 2, np.float32)
    whole = Waveform(np.concatenate([babble(0, 8.5), quiet, babble(1, 1.2)]), RATE)
    chunks = runner.prepare(whole)
    assert [chunk.frames for chunk in chunks] == [900, 500]
    (together,) = _run(runner, [whole])
    alone = runner.run([Utterance((chunk,), None) for chunk in chunks])
    assert together.transcript.text == " ".join(each.transcript.text for each in alone)
    assert len(together.features.frames) == -(-len(whole.samples) // 320)


def test_where_nobody_speaks_nothing_is_written(
    folder: Path, waveforms: list[Waveform], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What an untrained checkpoint thinks of silence is drawn at random.
    monkeypatch.setattr(
        transcriber, "no_speech", lambda silence, mean, _: 0 <= silence <= 1 and mean < 0
    )
    runner = _load(folder, MANY)
    for encoding in _run(runner, waveforms, runner.expected("a b")):
        assert encoding.transcript.text == ""
        assert encoding.retried == 0
        assert encoding.evidence is not None
        assert encoding.evidence.tolist() == [0.0, 0.0]


def test_fingerprints_tell_windows_apart(folder: Path) -> None:
    fingerprints = {_load(folder, FEW, window).fingerprint for window in ("auto", 5.0, LONGEST_S)}
    assert len(fingerprints) == 3
