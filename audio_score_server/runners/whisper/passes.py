"""Bringing decoder passes to the device: at once on a processor, replayed on CUDA."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional

from audio_score_server.runners.whisper.decoder import Choices, TextDecoder
from audio_score_server.runners.whisper.greedy import GreedyChoices
from audio_score_server.runners.whisper.kv_cache import KVCache

_FIRST_COLUMNS: Final = (16, 32, 64)
"""Widths of captured first passes: a prompt and a draft."""
_LATER_COLUMNS: Final = (1, 5, 17)
"""Widths of captured later passes: one token, and one with a short or a long guess."""
_MARGIN: Final = 64
"""Positions behind the last token that the padding of narrow rows may fall on."""


class EagerPasses:
    """Passes of whatever shape comes."""

    def __init__(self, decoder: TextDecoder) -> None:
        self._decoder = decoder

    def kv_cache(self, rows: int, positions: int, capacity: int) -> KVCache:
        """Fresh memory for each batch."""
        return self._decoder.kv_cache(rows, positions, capacity)

    def __call__(
        self, kv_cache: KVCache, tokens: list[list[int]], starts: list[int], skipped: int
    ) -> GreedyChoices:
        """See ``greedy.Passes``."""
        columns = max(map(len, tokens))
        fed = _padded(tokens, columns).to(self._decoder.device)
        places = torch.tensor(starts, device=self._decoder.device)
        reach = max(starts) + columns
        return _fetched(self._decoder.choices(kv_cache, fed, places, reach, skipped), len(tokens))


class _Captured:
    """One pass of a fixed shape as a CUDA graph.

    Graphs may share a pool of memory for what lies between, since only one runs at a time and what
    they give is fetched before the next.
    """

    def __init__(
        self,
        decoder: TextDecoder,
        kv_cache: KVCache,
        shape: tuple[int, int, int],
        pool: Any,
    ) -> None:
        rows, columns, skipped = shape
        self.tokens = torch.zeros((rows, columns), dtype=torch.int64, device=decoder.device)
        self.starts = torch.zeros(rows, dtype=torch.int64, device=decoder.device)
        reach = kv_cache.keys.shape[2]
        aside = torch.cuda.Stream(decoder.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(decoder.device))
        with torch.cuda.stream(aside):
            # Libraries make their workspaces in the first call, which must not be captured.
            decoder.choices(kv_cache, self.tokens, self.starts, reach, skipped)
        torch.cuda.current_stream(decoder.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._choices = decoder.choices(kv_cache, self.tokens, self.starts, reach, skipped)

    def replay(self, tokens: torch.Tensor, starts: torch.Tensor) -> Choices:
        self.tokens.copy_(tokens, non_blocking=True)
        self.starts.copy_(starts, non_blocking=True)
        self._graph.replay()
        return self._choices


class ReplayedPasses:
    """Passes on CUDA, captured once for a few shapes and replayed without launch costs.

    Memory is kept from batch to batch, since a graph knows its addresses. Shapes that are larger
    than any captured one go at once.
    """

    def __init__(
        self, decoder: TextDecoder, most_rows: int, positions: Sequence[int], prompt: int
    ) -> None:
        """Capture.

        Args:
            decoder: on a CUDA device.
            most_rows: largest batch.
            positions: lengths of the encoder's output, each of which has captures of its own.
            prompt: tokens of a prompt.
        """
        self._eager = EagerPasses(decoder)
        self._most_rows = most_rows
        self._capacity = decoder.longest + _MARGIN
        whole = decoder.kv_cache(most_rows, max(positions), self._capacity)
        # All in the same memory: only one batch is ever written.
        self._sessions = {
            length: KVCache(whole.audio[:, :length], whole.keys, whole.values)
            for length in positions
        }
        self._rows = [1 << power for power in range((most_rows - 1).bit_length() + 1)]
        self._rows[-1] = most_rows
        pool = torch.cuda.graph_pool_handle() if whole.keys.is_cuda else None
        self._graphs = {
            (length, *shape): _Captured(decoder, kv_cache, shape, pool)
            for length, kv_cache in self._sessions.items()
            for shape in self._shapes(prompt)
        }

    def _shapes(self, prompt: int) -> list[tuple[int, int, int]]:
        """Rows, columns, and columns at the left that are skipped."""
        return [
            (rows, columns, skipped)
            for skipped, widths in ((prompt - 1, _FIRST_COLUMNS), (0, _LATER_COLUMNS))
            for rows in self._rows
            for columns in widths
        ]

    def kv_cache(self, rows: int, positions: int, capacity: int) -> KVCache:
        """The captured memory where it is large enough."""
        own = self._sessions.get(positions)
        # Behind a long transcript, the padding of narrow rows may need more room than the margin.
        if own is not None and rows <= self._most_rows and capacity <= self._capacity:
            return own
        return self._eager.kv_cache(rows, positions, capacity)

    def __call__(
        self, kv_cache: KVCache, tokens: list[list[int]], starts: list[int], skipped: int
    ) -> GreedyChoices:
        """See ``greedy.Passes``."""
        columns = _fitting(_FIRST_COLUMNS if skipped else _LATER_COLUMNS, max(map(len, tokens)))
        rows = _fitting(self._rows, len(tokens))
        length = kv_cache.audio.shape[1]
        captured = self._graphs.get((length, rows or 0, columns or 0, skipped))
        own = kv_cache is self._sessions.get(length)
        if not own or captured is None or columns is None or rows is None:
            return self._eager(kv_cache, tokens, starts, skipped)
        fed = functional.pad(_padded(tokens, columns), (0, 0, 0, rows - len(tokens))).pin_memory()
        places = functional.pad(torch.tensor(starts), (0, rows - len(starts))).pin_memory()
        return _fetched(captured.replay(fed, places), len(tokens))


def _fetched(choices: Choices, rows: int) -> GreedyChoices:
    """The choices of so many rows in this process's memory."""
    return GreedyChoices(*(part[:rows].cpu().numpy() for part in choices))


def _padded(tokens: list[list[int]], columns: int) -> torch.Tensor:
    """Rows of tokens as int64 ``[rows, columns]``; what pads them is never looked at."""
    fed = np.zeros((len(tokens), columns), np.int64)
    for row, own in zip(fed, tokens, strict=True):
        row[: len(own)] = own
    return torch.from_numpy(fed)


def _fitting(sizes: tuple[int, ...] | list[int], needed: int) -> int | None:
    """The least size that is large enough."""
    place = bisect_left(sizes, needed)
    return sizes[place] if place < len(sizes) else None
