"""Replayed passes without a GPU: what a graph would run is run, in a graph's fixed shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration

from audio_score_server.runners.whisper import passes as passes_module
from audio_score_server.runners.whisper.decoder import Choices, TextDecoder
from audio_score_server.runners.whisper.greedy import DecodedChunk, DecodingLimits, decode
from audio_score_server.runners.whisper.kv_cache import KVCache
from audio_score_server.runners.whisper.passes import EagerPasses, ReplayedPasses
from tests.checkpoints import make_whisper

PROMPT = [285, 286, 290, 292]
STOP = 284
POSITIONS, WIDTH, ROWS, LONGEST = 20, 48, 6, 96


class _Uncaptured:
    """What a captured pass does, at once."""

    replayed: list[tuple[int, int, int]]

    def __init__(
        self, decoder: TextDecoder, kv_cache: KVCache, shape: tuple[int, int, int], pool: object
    ) -> None:
        self._decoder, self._session, self._shape = decoder, kv_cache, shape

    def replay(self, tokens: torch.Tensor, starts: torch.Tensor) -> Choices:
        rows, columns, skipped = self._shape
        assert tokens.shape == (rows, columns)
        assert starts.shape == (rows,)
        self.replayed.append(self._shape)
        reach = self._session.keys.shape[2]
        return self._decoder.choices(self._session, tokens, starts, reach, skipped)


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Shapes of the passes that were replayed."""
    shapes: list[tuple[int, int, int]] = []
    monkeypatch.setattr(_Uncaptured, "replayed", shapes, raising=False)
    monkeypatch.setattr(passes_module, "_Captured", _Uncaptured)
    if not torch.cuda.is_available():
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    return shapes


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> TextDecoder:
    """A lively decoder."""
    folder: Path = make_whisper(tmp_path_factory.mktemp("whisper"))
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    with torch.inference_mode():
        return TextDecoder(model.model.decoder, [3, 7, STOP + 1], [5, STOP], STOP + 7)


@torch.inference_mode()
def _read(
    passes: EagerPasses | ReplayedPasses,
    drafts: list[list[int]],
    seed: int,
    most: int = 60,
    positions: int = POSITIONS,
) -> list[DecodedChunk]:
    capacity = most + 2 * len(PROMPT) + max(map(len, drafts))
    kv_cache = passes.kv_cache(len(drafts), positions, capacity)
    sound = torch.randn(
        len(drafts), positions, WIDTH, generator=torch.Generator().manual_seed(seed)
    )
    kv_cache.audio[: len(drafts)] = sound
    return decode(passes, kv_cache, [PROMPT] * len(drafts), drafts, DecodingLimits(STOP, most))


def test_replayed_passes_say_what_eager_ones_say(
    decoder: TextDecoder, replayed: list[tuple[int, int, int]]
) -> None:
    chance = np.random.default_rng(0)
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
            np.testing.assert_allclose(mine.likelihoods, theirs.likelihoods, atol=1e-4, rtol=1e-4)
    assert {rows for rows, _, _ in replayed} == {1, 2, 4, 6}
    assert {columns for _, columns, skipped in replayed if skipped} >= {16, 32, 64}
    assert {columns for _, columns, skipped in replayed if not skipped} == {1, 5, 17}


def test_windows_of_several_lengths_are_replayed_in_one_memory(
    decoder: TextDecoder, replayed: list[tuple[int, int, int]]
) -> None:
    eager = EagerPasses(decoder)
    captured = ReplayedPasses(decoder, 2, [8, 13, POSITIONS], len(PROMPT))
    sessions = [captured.kv_cache(2, length, 80) for length in (8, 13, POSITIONS)]
    assert len({kv_cache.audio.data_ptr() for kv_cache in sessions}) == 1
    assert len({kv_cache.keys.data_ptr() for kv_cache in sessions}) == 1
    for seed, positions in enumerate((POSITIONS, 8, 13, 8, POSITIONS)):
        (mine, _), (theirs, _) = (
            _read(passes, [[9, 11], []], seed, positions=positions) for passes in (captured, eager)
        )
        assert mine.tokens == theirs.tokens
        assert mine.mean == pytest.approx(theirs.mean, abs=1e-4)
        assert mine.silence == pytest.approx(theirs.silence, abs=1e-5)
    assert replayed


@torch.inference_mode()
def test_what_fits_no_capture_goes_at_once(
    decoder: TextDecoder, replayed: list[tuple[int, int, int]]
) -> None:
    captured = ReplayedPasses(decoder, ROWS, [POSITIONS], len(PROMPT))
    kv_cache = captured.kv_cache(2, POSITIONS, 80)
    kv_cache.audio.normal_(generator=torch.Generator().manual_seed(0))
    wide = [PROMPT + [9] * 70, PROMPT]
    chosen = captured(kv_cache, wide, [0, 0], len(PROMPT) - 1)
    expected = EagerPasses(decoder)(kv_cache, wide, [0, 0], len(PROMPT) - 1)
    assert replayed == []
    np.testing.assert_array_equal(chosen.tokens, expected.tokens)
    np.testing.assert_allclose(chosen.followed, expected.followed, atol=1e-5)
    np.testing.assert_allclose(chosen.silence, expected.silence, atol=1e-5)


def test_memory_that_does_not_fit_is_made_anew(
    decoder: TextDecoder, replayed: list[tuple[int, int, int]]
) -> None:
    captured = ReplayedPasses(decoder, ROWS, [POSITIONS], len(PROMPT))
    own = captured.kv_cache(1, POSITIONS, 80)
    assert captured.kv_cache(ROWS, POSITIONS, LONGEST) is own
    for rows, positions, capacity in (
        (ROWS + 1, POSITIONS, 80),
        (1, POSITIONS - 1, 80),
        # The margin behind the longest transcript holds no padding as wide as a long draft.
        (2, POSITIONS, 2 * LONGEST),
    ):
        fresh = captured.kv_cache(rows, positions, capacity)
        assert fresh is not own
        assert fresh.audio.shape == (rows, positions, WIDTH)
        assert fresh.keys.shape[1:3] == (rows, capacity)
    assert replayed == []


@torch.inference_mode()
def test_what_remembers_something_else_is_not_replayed(
    decoder: TextDecoder, replayed: list[tuple[int, int, int]]
) -> None:
    captured = ReplayedPasses(decoder, ROWS, [POSITIONS], len(PROMPT))
    kv_cache = captured.kv_cache(1, POSITIONS - 1, 80)
    captured(kv_cache, [PROMPT], [0], len(PROMPT) - 1)
    captured(kv_cache, [[9]], [len(PROMPT)], 0)
    assert replayed == []


@pytest.mark.parametrize("most_rows", [1, 2, 3, 8])
def test_every_number_of_rows_has_a_capture(
    decoder: TextDecoder, replayed: list[tuple[int, int, int]], most_rows: int
) -> None:
    captured = ReplayedPasses(decoder, most_rows, [POSITIONS], len(PROMPT))
    for rows in range(1, most_rows + 1):
        replayed.clear()
        _read(captured, [[]] * rows, rows, most=1)
        assert len(replayed) == 1
        assert rows <= replayed[0][0] < 2 * rows
