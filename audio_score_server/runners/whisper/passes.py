"""Bringing decoder passes to the device: at once on a processor, replayed on CUDA."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import numpy as np
import torch
from torch.nn import functional

from audio_score_server.domain import FloatArray, IntArray
from audio_score_server.runners.whisper.decoder import Session, TextDecoder

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

    def session(self, rows: int, positions: int, capacity: int) -> Session:
        """Fresh memory for each batch."""
        return self._decoder.session(rows, positions, capacity)

    def __call__(
        self, session: Session, tokens: list[list[int]], starts: list[int], skipped: int
    ) -> tuple[IntArray, FloatArray]:
        """See ``greedy.Passes``."""
        columns = max(map(len, tokens))
        fed = _padded(tokens, columns).to(self._decoder.device)
        places = torch.tensor(starts, device=self._decoder.device)
        reach = max(starts) + columns
        chosen, likelihoods = self._decoder.choices(session, fed, places, reach, skipped)
        return chosen.cpu().numpy(), likelihoods.cpu().numpy()


class _Captured:
    """One pass of a fixed shape as a CUDA graph."""

    def __init__(
        self, decoder: TextDecoder, session: Session, rows: int, columns: int, skipped: int
    ) -> None:
        self.tokens = torch.zeros((rows, columns), dtype=torch.int64, device=decoder.device)
        self.starts = torch.zeros(rows, dtype=torch.int64, device=decoder.device)
        reach = session.keys.shape[2]
        aside = torch.cuda.Stream(decoder.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(decoder.device))
        with torch.cuda.stream(aside):
            # Libraries make their workspaces in the first call, which must not be captured.
            decoder.choices(session, self.tokens, self.starts, reach, skipped)
        torch.cuda.current_stream(decoder.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self.chosen, self.likelihoods = decoder.choices(
                session, self.tokens, self.starts, reach, skipped
            )

    def replay(
        self, tokens: torch.Tensor, starts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.tokens.copy_(tokens, non_blocking=True)
        self.starts.copy_(starts, non_blocking=True)
        self._graph.replay()
        return self.chosen, self.likelihoods


class ReplayedPasses:
    """Passes on CUDA, captured once for a few shapes and replayed without launch costs.

    Memory is kept from batch to batch, since a graph knows its addresses. Shapes that are larger
    than any captured one go at once.
    """

    def __init__(self, decoder: TextDecoder, most_rows: int, positions: int, prompt: int) -> None:
        """Capture.

        Args:
            decoder: on a CUDA device.
            most_rows: largest batch.
            positions: of the encoder's output.
            prompt: tokens of a prompt.
        """
        self._eager = EagerPasses(decoder)
        self._session = decoder.session(most_rows, positions, decoder.longest + _MARGIN)
        self._rows = [1 << power for power in range((most_rows - 1).bit_length() + 1)]
        self._rows[-1] = most_rows
        self._graphs = {
            (rows, columns, skipped): _Captured(decoder, self._session, rows, columns, skipped)
            for skipped, widths in ((prompt - 1, _FIRST_COLUMNS), (0, _LATER_COLUMNS))
            for rows in self._rows
            for columns in widths
        }

    def session(self, rows: int, positions: int, capacity: int) -> Session:
        """The captured memory where it is large enough."""
        most_rows, own_positions, _ = self._session.audio.shape
        fits = rows <= most_rows and positions == own_positions
        # Behind a long transcript, the padding of narrow rows may need more room than the margin.
        if fits and capacity <= self._session.keys.shape[2]:
            return self._session
        return self._eager.session(rows, positions, capacity)

    def __call__(
        self, session: Session, tokens: list[list[int]], starts: list[int], skipped: int
    ) -> tuple[IntArray, FloatArray]:
        """See ``greedy.Passes``."""
        columns = _fitting(_FIRST_COLUMNS if skipped else _LATER_COLUMNS, max(map(len, tokens)))
        rows = _fitting(self._rows, len(tokens))
        captured = self._graphs.get((rows or 0, columns or 0, skipped))
        if session is not self._session or captured is None or columns is None or rows is None:
            return self._eager(session, tokens, starts, skipped)
        fed = functional.pad(_padded(tokens, columns), (0, 0, 0, rows - len(tokens))).pin_memory()
        places = functional.pad(torch.tensor(starts), (0, rows - len(starts))).pin_memory()
        chosen, likelihoods = captured.replay(fed, places)
        used = len(tokens)
        return chosen[:used].cpu().numpy(), likelihoods[:used].cpu().numpy()


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
