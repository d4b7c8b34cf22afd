"""One pass of Whisper's text decoder over a few tokens of each of several transcripts.

Cross-attention is computed in the encoder's own space: instead of projecting all 1,500 encoder
frames to keys and values in every layer, the few queries are projected back, and the frames are
averaged before they are projected to values. The result is the same, since both projections are
linear; for a transcript of 15 tokens it takes a quarter of the operations, and where a step is
bound by memory it reads a twentieth of the bytes. (Known from language models that keep compressed
keys and values: DeepSeek-AI, "DeepSeek-V2", 2024, section 2.1.2.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch.nn import functional

from audio_score_server.runners.whisper.encoder import (
    Linear,
    Norm,
    Pack,
    Projection,
    linear_of,
    merged_of,
    norm_of,
    unpacked,
)
from audio_score_server.runners.whisper.kv_cache import KVCache
from audio_score_server.runners.whisper.quantised import halved

_CHUNK: Final = 256
"""Most positions whose scores over the vocabulary are in memory at once."""


@dataclass(frozen=True, slots=True)
class _Cross:
    """Attention of tokens to the encoder's output; ``to_...`` are for ``cached_decoder``."""

    norm: Norm
    queries: Projection
    keys: torch.Tensor
    values: torch.Tensor
    value_bias: torch.Tensor
    to_keys: Projection
    to_values: Projection
    out: Projection

    def __call__(self, hidden: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """``[rows, tokens, width]``, given ``[rows, positions, width]``, to the former's shape."""
        rows, tokens, width = hidden.shape
        heads = len(self.keys)
        queries = self.queries(self.norm(hidden)).view(rows * tokens, heads, -1).transpose(0, 1)
        back = torch.bmm(queries, self.keys).view(heads, rows, tokens, width)
        scores = torch.matmul(
            back.transpose(0, 1).reshape(rows, heads * tokens, width), audio.transpose(1, 2)
        )
        mean = torch.matmul(scores.softmax(dim=-1), audio)
        by_head = mean.view(rows, heads, tokens, width).transpose(0, 1)
        values = torch.bmm(by_head.reshape(heads, rows * tokens, width), self.values)
        merged = values.transpose(0, 1).reshape(rows, tokens, width) + self.value_bias
        return self.out(merged)


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """Weights of one layer."""

    heads: int
    self_norm: Norm
    merged: Projection
    self_out: Projection
    cross: _Cross
    forward_norm: Norm
    widen: Projection
    narrow: Projection


class Choices(NamedTuple):
    """What one pass says of rows of tokens.

    Attributes:
        tokens: int64 ``[rows, columns]``: what greedy decoding chooses after each token.
        followed: float32 ``[rows, columns]``: log-probability of the token that was fed next; the
            last column says nothing.
        chosen: float32 ``[rows, columns]``: log-probability of the token that is chosen.
        silence: float32 ``[rows]``: probability that nobody speaks, as Whisper was taught to tell
            it; nought in the midst of transcripts.
    """

    tokens: torch.Tensor
    followed: torch.Tensor
    chosen: torch.Tensor
    silence: torch.Tensor


class TextDecoder:
    """Tokens to what greedy decoding would say next."""

    def __init__(
        self,
        decoder: Any,
        suppressed: list[int],
        suppressed_first: list[int],
        silence: int,
        pack: Pack = unpacked,
    ) -> None:
        """Take over a loaded module.

        Args:
            decoder: with the names of transformers' ``WhisperDecoder``.
            suppressed: tokens that are never chosen.
            suppressed_first: tokens that are not chosen right after the prompt.
            silence: the token that says, behind the first one of a prompt, that nobody speaks.
            pack: for its linear layers.
        """
        self.silence = silence
        embeddings = decoder.embed_tokens.weight.detach()
        self.positions: torch.Tensor = decoder.embed_positions.weight.detach()
        self.layers = [_layer_of(layer, pack) for layer in decoder.layers]
        self.norm = norm_of(decoder.layer_norm)
        self.vocabulary = pack(Linear(embeddings, None))
        is_packed = not isinstance(self.vocabulary, Linear)
        self.embeddings: torch.Tensor = halved(embeddings) if is_packed else embeddings
        self.logit_mask = self._mask_of(suppressed)
        self.first_logit_mask = self._mask_of([*suppressed, *suppressed_first])

    @property
    def longest(self) -> int:
        """Most tokens of a transcript, its prompt counted."""
        return len(self.positions)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.embeddings.device)

    @property
    def dtype(self) -> torch.dtype:
        """In which it computes."""
        return self.positions.dtype

    @property
    def head_width(self) -> int:
        """Channels of each head."""
        return self.positions.shape[1] // self.layers[0].heads

    def embedded(self, tokens: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Tokens with their places in a transcript, ``[..., width]``."""
        return functional.embedding(tokens, self.embeddings).to(self.dtype) + self.positions[places]

    def kv_cache(self, rows: int, positions: int, capacity: int) -> KVCache:
        """Empty memory for transcripts of at most ``capacity`` tokens."""
        heads = self.layers[0].heads
        width = self.positions.shape[1]
        shape = (len(self.layers), rows, capacity, heads, width // heads)
        # Zeros: what is masked is multiplied by nought, and nought times garbage may be NaN.
        return KVCache(
            self.positions.new_zeros(rows, positions, width),
            self.positions.new_zeros(shape),
            self.positions.new_zeros(shape),
        )

    def choices(
        self,
        kv_cache: KVCache,
        tokens: torch.Tensor,
        starts: torch.Tensor,
        reach: int,
        skipped: int,
    ) -> Choices:
        """Feed tokens; see what greedy decoding would choose after each.

        Args:
            kv_cache: of the rows; the tokens' keys and values are put into it.
            tokens: int64 ``[rows, columns]``.
            starts: int64 ``[rows]``: the position of each row's first token in its transcript.
            reach: no row's tokens end behind this position.
            skipped: columns at the left whose choices are not wanted; the first choice is then
                that of a transcript's first word. 0 in the midst of transcripts.

        Returns:
            Choices for the columns that are not skipped.
        """
        fed = self._hidden(kv_cache, tokens, starts, reach)
        hidden = fed[:, skipped:]
        following = functional.pad(tokens[:, skipped + 1 :], (0, 1))
        rows, columns, width = hidden.shape
        parts = zip(
            torch.split(hidden.reshape(-1, width), _CHUNK),
            torch.split(following.reshape(-1, 1), _CHUNK),
            strict=True,
        )
        pieces = zip(*(self._choose(*part, self.logit_mask) for part in parts), strict=True)
        choices, followed, chosen = (torch.cat(piece).view(rows, columns) for piece in pieces)
        if not skipped:
            return Choices(choices, followed, chosen, chosen.new_zeros(rows))
        first = self._choose(hidden[:, 0], following[:, :1], self.first_logit_mask)
        choices[:, 0], followed[:, 0], chosen[:, 0] = first
        silence = self._scores(fed[:, 0]).softmax(dim=1)[:, self.silence]
        return Choices(choices, followed, chosen, silence)

    def best_of(self, kv_cache: KVCache, first: int, allowed: torch.Tensor) -> torch.Tensor:
        """Which of the allowed tokens best follows a transcript's ``first`` one, ``[rows]``."""
        return allowed[self.shares_of(kv_cache, first, allowed).argmax(dim=1)]

    def shares_of(self, kv_cache: KVCache, first: int, allowed: torch.Tensor) -> torch.Tensor:
        """Probability of each allowed token to follow ``first``, ``[rows, allowed]``."""
        rows = len(kv_cache.audio)
        tokens = torch.full((rows, 1), first, device=self.device)
        starts = torch.zeros(rows, dtype=torch.int64, device=self.device)
        scores = self._scores(self._hidden(kv_cache, tokens, starts, 1)[:, 0])
        return scores[:, allowed].softmax(dim=1)

    def _mask_of(self, tokens: list[int]) -> torch.Tensor:
        """To be added to scores: nought, and minus infinity for ``tokens``."""
        bars = torch.zeros(len(self.embeddings), device=self.device)
        bars[torch.tensor(tokens, dtype=torch.int64, device=self.device)] = -torch.inf
        return bars

    def _scores(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.vocabulary(hidden).float()

    def _choose(
        self, hidden: torch.Tensor, following: torch.Tensor, logit_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scores = self._scores(hidden)
        whole = scores.logsumexp(dim=1)
        followed = scores.gather(1, following)[:, 0] - whole
        best, chosen = (scores + logit_mask).max(dim=1)
        return chosen, followed, best - whole

    def _hidden(
        self, kv_cache: KVCache, tokens: torch.Tensor, starts: torch.Tensor, reach: int
    ) -> torch.Tensor:
        places = starts[:, None] + torch.arange(tokens.shape[1], device=self.device)
        # Rows that are fed less than the widest one are padded, maybe beyond the last position.
        hidden = self.embedded(tokens, places.clamp(max=self.longest - 1))
        visible = torch.arange(reach, device=self.device) <= places[:, :, None]
        for number, layer in enumerate(self.layers):
            memory = (kv_cache.keys[number], kv_cache.values[number])
            hidden = hidden + _attend(layer, hidden, memory, places, visible)
            hidden = hidden + layer.cross(hidden, kv_cache.audio[: len(tokens)])
            hidden = hidden + layer.narrow(functional.gelu(layer.widen(layer.forward_norm(hidden))))
        return self.norm(hidden)


def _attend(
    layer: DecoderLayer,
    hidden: torch.Tensor,
    memory: tuple[torch.Tensor, torch.Tensor],
    places: torch.Tensor,
    visible: torch.Tensor,
) -> torch.Tensor:
    """Attention of tokens to those before them, whose keys and values are remembered."""
    rows, columns, width = hidden.shape
    merged = layer.merged(layer.self_norm(hidden))
    queries, keys, values = merged.view(rows, columns, 3, layer.heads, -1).unbind(dim=2)
    own = torch.arange(rows, device=hidden.device)[:, None]
    for remembered, fresh in zip(memory, (keys, values), strict=True):
        remembered[own, places] = fresh
    known_keys, known_values = (part[:rows, : visible.shape[-1]].transpose(1, 2) for part in memory)
    attended = functional.scaled_dot_product_attention(
        queries.transpose(1, 2), known_keys, known_values, attn_mask=visible[:, None], scale=1.0
    )
    return layer.self_out(attended.transpose(1, 2).reshape(rows, columns, width))


def _layer_of(layer: Any, pack: Pack) -> DecoderLayer:
    return DecoderLayer(
        heads=layer.self_attn.num_heads,
        self_norm=norm_of(layer.self_attn_layer_norm),
        merged=pack(merged_of(layer.self_attn)),
        self_out=pack(linear_of(layer.self_attn.out_proj)),
        cross=_cross_of(layer.encoder_attn, norm_of(layer.encoder_attn_layer_norm), pack),
        forward_norm=norm_of(layer.final_layer_norm),
        widen=pack(linear_of(layer.fc1)),
        narrow=pack(linear_of(layer.fc2)),
    )


def _cross_of(attention: Any, norm: Norm, pack: Pack) -> _Cross:
    heads, scale = attention.num_heads, attention.scaling
    queries = linear_of(attention.q_proj)
    assert queries.bias is not None
    width = len(queries.weight)
    return _Cross(
        norm=norm,
        queries=pack(Linear(queries.weight * scale, queries.bias * scale)),
        keys=attention.k_proj.weight.detach().view(heads, width // heads, width),
        values=attention.v_proj.weight.detach().view(heads, width // heads, width).transpose(1, 2),
        value_bias=attention.v_proj.bias.detach(),
        to_keys=pack(linear_of(attention.k_proj)),
        to_values=pack(linear_of(attention.v_proj)),
        out=pack(linear_of(attention.out_proj)),
    )
