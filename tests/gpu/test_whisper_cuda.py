from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration

from audio_score_server.domain import Encoding, Transcript, Utterance, Waveform
from audio_score_server.errors import DeviceMemoryError
from audio_score_server.runners.device import within_memory
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.runners.whisper.decoder import TextDecoder
from audio_score_server.runners.whisper.greedy import DecodedChunk, DecodingLimits, Passes, decode
from audio_score_server.runners.whisper.passes import EagerPasses, ReplayedPasses
from audio_score_server.settings import Settings, WhisperSettings
from tests.checkpoints import RATE, babble, make_whisper

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]
PROMPT = [285, 286, 290, 292]
STOP = 284
POSITIONS, WIDTH, ROWS = 20, 48, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint."""
    return make_whisper(tmp_path_factory.mktemp("whisper"), letters=True)


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Recordings within a window, and one longer than two."""
    lengths = np.random.default_rng(0).uniform(0.3, 3.0, 7)
    return [Waveform(babble(seed, s), RATE) for seed, s in enumerate([*lengths, 7.0])]


def _load(folder: Path, device: str, dtype: str, rows: int = 8) -> Runner[Any]:
    model = WhisperSettings.model_validate(
        {
            **{"key": "whisper", "type": "whisper", "language": "en", "max_new_tokens": 60},
            **{"model_id": str(folder), "dtype": dtype},
        }
    )
    return Loader(Settings(models=(model,), device=device, max_batch_size=rows)).load(model)


def _run(runner: Runner[Any], waveforms: Sequence[Waveform]) -> list[Encoding]:
    expected = Transcript("a b c d", "word", "en")
    return runner.run([Utterance(runner.prepare(each), expected) for each in waveforms])


def _cosine(left: Encoding, right: Encoding) -> float:
    own, other = (
        (each.features.frames - each.features.frames.mean(axis=0)).ravel() for each in (left, right)
    )
    return float(own @ other / np.linalg.norm(own) / np.linalg.norm(other))


@torch.inference_mode()
def _read(passes: Passes, drafts: list[list[int]], seed: int) -> list[DecodedChunk]:
    most = 60
    capacity = most + 2 * len(PROMPT) + max(map(len, drafts))
    kv_cache = passes.kv_cache(len(drafts), POSITIONS, capacity)
    generator = torch.Generator().manual_seed(seed)
    sound = torch.randn(len(drafts), POSITIONS, WIDTH, generator=generator)
    kv_cache.audio[: len(drafts)] = sound.to(kv_cache.audio)
    return decode(passes, kv_cache, [PROMPT] * len(drafts), drafts, DecodingLimits(STOP, most))


def test_captured_passes_say_what_eager_ones_say(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    model: Any = WhisperForConditionalGeneration.from_pretrained(make_whisper(tmp_path))
    model.to("cuda")
    with torch.inference_mode():
        decoder = TextDecoder(model.model.decoder, [3, 7, STOP + 1], [5, STOP], STOP + 7)
        eager = EagerPasses(decoder)
        captured = ReplayedPasses(decoder, ROWS, [POSITIONS], len(PROMPT))
    for seed in range(24):
        rows = 1 + seed % ROWS
        plain = _read(eager, [[] for _ in range(rows)], seed)
        drafts = [
            [token if chance.random() > 0.05 else 9 for token in decoded.tokens[:59]]
            for decoded in plain
        ]
        for mine, theirs in zip(
            _read(captured, drafts, seed), _read(eager, drafts, seed), strict=True
        ):
            assert mine.tokens == theirs.tokens
            assert mine.passes == theirs.passes
            np.testing.assert_allclose(mine.likelihoods, theirs.likelihoods, atol=1e-3, rtol=1e-3)


def test_float16_on_the_device_hears_nearly_what_float32_on_the_processor_hears(
    folder: Path, waveforms: list[Waveform]
) -> None:
    device = _load(folder, "cuda", "auto")
    assert device.info.dtype == "float16"
    assert device.info.device.startswith("cuda")
    device.warm_up()
    processor = _run(_load(folder, "cpu", "float32"), waveforms)
    for own, other in zip(_run(device, waveforms), processor, strict=True):
        assert own.features.frames.shape == other.features.frames.shape
        assert _cosine(own, other) > 0.99
        assert own.evidence is not None
        assert other.evidence is not None
        np.testing.assert_allclose(own.evidence, other.evidence, atol=0.1)


def test_nothing_changes_when_passes_are_captured(folder: Path, waveforms: list[Waveform]) -> None:
    runner = _load(folder, "cuda", "float32")
    before = _run(runner, waveforms)
    runner.warm_up()
    # Twice: memory is kept from batch to batch.
    for after in (_run(runner, waveforms[::-1])[::-1], _run(runner, waveforms)):
        for left, right in zip(before, after, strict=True):
            assert left.transcript == right.transcript
            assert _cosine(left, right) > 0.9999


def test_rows_of_a_batch_do_not_meet(folder: Path, waveforms: list[Waveform]) -> None:
    runner = _load(folder, "cuda", "float32")
    runner.warm_up()
    for waveform, together in zip(waveforms, _run(runner, waveforms), strict=True):
        (alone,) = _run(runner, [waveform])
        assert alone.transcript == together.transcript
        assert _cosine(alone, together) > 0.9999


@pytest.fixture
def unlimited() -> Iterator[None]:
    """Afterwards the whole device may be used again."""
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def _peak(runner: Runner[Any], waveforms: Sequence[Waveform]) -> int:
    """Bytes that a batch makes PyTorch reserve."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    _run(runner, waveforms)
    return torch.cuda.max_memory_reserved()


@pytest.mark.usefixtures("unlimited")
def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path) -> None:
    folder = make_whisper(tmp_path, letters=True, width=512, window_s=30)
    runner = _load(folder, "cuda", "float32", rows=16)
    waveforms = [Waveform(babble(seed, 2.0), RATE) for seed in range(16)]
    _run(runner, waveforms[:1])
    one, all_of_them = _peak(runner, waveforms[:1]), _peak(runner, waveforms)
    expected = _run(runner, waveforms)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((one + all_of_them) / 2 / total)
    sizes = []

    def run(utterances: Sequence[Utterance[Any]]) -> list[Encoding]:
        sizes.append(len(utterances))
        return runner.run(utterances)

    utterances = [Utterance(runner.prepare(waveform), None) for waveform in waveforms]
    encodings = within_memory(run)(utterances)
    assert sizes[0] == 16
    assert len(sizes) > 2
    for own, other in zip(encodings, expected, strict=True):
        assert _cosine(own, other) > 0.999


@pytest.mark.usefixtures("unlimited")
def test_a_recording_that_does_not_fit_alone_is_told(tmp_path: Path) -> None:
    folder = make_whisper(tmp_path, letters=True, width=512, window_s=30)
    runner = _load(folder, "cuda", "float32", rows=4)
    utterances = [Utterance(runner.prepare(Waveform(babble(0, 2.0), RATE)), None)] * 2
    _run(runner, [Waveform(babble(0, 2.0), RATE)])
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(held / total)
    with pytest.raises(DeviceMemoryError):
        within_memory(runner.run)(utterances)
    torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(within_memory(runner.run)(utterances)) == 2
