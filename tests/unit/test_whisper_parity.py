"""What transformers' own Whisper makes of recordings is what ours makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from audio_score_server.domain import Waveform
from audio_score_server.runners.precision import Precision
from audio_score_server.runners.whisper.checkpoint import (
    WhisperCheckpoint,
    decoder_of,
    load_whisper,
)
from audio_score_server.runners.whisper.decoder import TextDecoder
from audio_score_server.runners.whisper.greedy import DecodedChunk, DecodingLimits, decode
from audio_score_server.runners.whisper.passes import EagerPasses
from audio_score_server.runners.whisper.windowed_encoder import EncodedChunk
from tests.checkpoints import RATE, WINDOW_S, babble, make_whisper

RECORDINGS: Final = 300
MOST: Final = 40
MIDDLE: Final = 2
"""A layer of the encoder that is not the last."""
CLEAR: Final = 1e-3
"""Choices nearer than this may fall either way by the order of additions."""
LANGUAGE: Final = "en"


@dataclass(frozen=True, slots=True)
class Theirs:
    """What transformers makes of the recordings.

    Attributes:
        model: its model.
        last: the encoder's output ``[recordings, positions, width]``.
        middle: that of layer ``MIDDLE``.
        said: the transcripts, without prompt and end.
        ended: whether each came to its end before the limit.
        clear: whether no choice in it was a near tie.
    """

    model: Any
    last: torch.Tensor
    middle: torch.Tensor
    said: list[list[int]]
    ended: list[bool]
    clear: list[bool]


@dataclass(frozen=True, slots=True)
class Ours:
    """The same checkpoint as the package loads it, and what its encoder makes of them."""

    checkpoint: WhisperCheckpoint
    decoder: TextDecoder
    heard: list[EncodedChunk]

    def read(
        self, places: list[int], drafts: list[list[int]], most: int = MOST
    ) -> list[DecodedChunk]:
        """Transcribe some of the recordings as one batch."""
        vocabulary = self.checkpoint.transcriber.vocabulary
        prompt = vocabulary.prompt(LANGUAGE)
        drafts = [draft[: most - 1] for draft in drafts]
        passes = EagerPasses(self.decoder)
        capacity = most + 2 * len(prompt) + max(map(len, drafts))
        kv_cache = passes.kv_cache(len(places), len(self.heard[0].hidden), capacity)
        for row, place in enumerate(places):
            kv_cache.audio[row] = self.heard[place].hidden
        limits = DecodingLimits(vocabulary.stop, most)
        return decode(passes, kv_cache, [prompt] * len(places), drafts, limits)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint."""
    return make_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Recordings of up to a window."""
    lengths = np.random.default_rng(0).uniform(0.3, WINDOW_S, RECORDINGS)
    return [Waveform(babble(seed, length), RATE) for seed, length in enumerate(lengths)]


@pytest.fixture(scope="module")
def theirs(folder: Path, waveforms: list[Waveform]) -> Theirs:
    """Plain greedy decoding."""
    extractor: Any = WhisperFeatureExtractor.from_pretrained(folder)
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    samples = [waveform.samples for waveform in waveforms]
    mel = extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features
    with torch.inference_mode():
        heard = model.model.encoder(mel, output_hidden_states=True)
        written = model.generate(
            mel,
            language=LANGUAGE,
            task="transcribe",
            num_beams=1,
            do_sample=False,
            max_new_tokens=MOST,
            output_scores=True,
            return_dict_in_generate=True,
        )
    best = torch.stack(written.scores, dim=1).topk(2).values
    margins = best[..., 0] - best[..., 1]
    said = [_said(row, model) for row in written.sequences[:, -MOST:].tolist()]
    return Theirs(
        model,
        heard.last_hidden_state,
        heard.hidden_states[MIDDLE],
        said,
        [len(each) < MOST for each in said],
        [bool((row[: len(own) + 1] > CLEAR).all()) for row, own in zip(margins, said, strict=True)],
    )


def _said(tokens: list[int], model: Any) -> list[int]:
    stop = model.generation_config.eos_token_id
    return tokens[: tokens.index(stop)] if stop in tokens else tokens


@pytest.fixture(scope="module")
def ours(folder: Path, theirs: Theirs, waveforms: list[Waveform]) -> Ours:
    """The package's checkpoint; the decoder by itself, to give it drafts as tokens."""
    checkpoint = load_whisper(folder, folder, torch.device("cpu"), Precision(torch.float32), 8)
    vocabulary = checkpoint.transcriber.vocabulary
    with torch.inference_mode():
        decoder = decoder_of(theirs.model.model.decoder, vocabulary)
    return Ours(checkpoint, decoder, _hear(checkpoint, waveforms))


@torch.inference_mode()
def _hear(
    checkpoint: WhisperCheckpoint, waveforms: list[Waveform], layer: int | None = None
) -> list[EncodedChunk]:
    windowed_encoder = checkpoint.windowed_encoder(WINDOW_S, layer)
    return [
        heard
        for (heard,) in windowed_encoder.encode(
            [windowed_encoder.prepare(each) for each in waveforms], 8
        )
    ]


def test_the_recordings_make_for_a_hard_test(theirs: Theirs) -> None:
    lengths = {len(said) for said in theirs.said}
    assert len(lengths) > 15
    assert len({tuple(said) for said in theirs.said}) > 0.9 * RECORDINGS
    assert 0.25 < np.mean(theirs.ended) < 0.75
    assert np.mean(theirs.clear) > 0.95


def test_features_are_the_encoders_last_hidden_state(
    ours: Ours, theirs: Theirs, waveforms: list[Waveform]
) -> None:
    for heard, waveform, last in zip(ours.heard, waveforms, theirs.last, strict=True):
        frames = -(-len(waveform.samples) // 320)
        assert heard.features.shape == (frames, last.shape[1])
        assert heard.features.dtype == np.float32
        assert heard.frame_rate_hz == 50.0
        torch.testing.assert_close(heard.hidden, last, atol=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(heard.features, heard.hidden[:frames].numpy())


def test_features_may_be_those_of_a_middle_layer(
    ours: Ours, theirs: Theirs, waveforms: list[Waveform]
) -> None:
    heard = _hear(ours.checkpoint, waveforms[:20], MIDDLE)
    for mine, middle, last in zip(heard, theirs.middle, theirs.last, strict=False):
        expected = middle[: len(mine.features)].numpy()
        # No norm behind it: as large as the weights make it.
        nearly = 1e-5 * float(expected.std())
        np.testing.assert_allclose(mine.features, expected, atol=nearly, rtol=1e-5)
        torch.testing.assert_close(mine.hidden, last, atol=1e-5, rtol=1e-5)


def _edited(draft: list[int], chance: np.random.Generator, vocabulary: int) -> list[int]:
    """With up to five tokens changed, put in or left out."""
    edited = list(draft)
    for _ in range(chance.integers(1, 6)):
        place = int(chance.integers(0, len(edited) + 1))
        fresh = [int(chance.integers(0, vocabulary))]
        edited[place : place + int(chance.integers(0, 2))] = fresh[: chance.integers(0, 2)]
    return edited


def _draft(place: int, theirs: Theirs, chance: np.random.Generator) -> list[int]:
    """One of the ways in which a draft can be right or wrong."""
    said = theirs.said[place]
    other = theirs.said[chance.integers(0, RECORDINGS)]
    size = theirs.model.config.vocab_size
    match place % 7:
        case 0:
            return said
        case 1:
            return other
        case 2 | 3:
            return _edited(said, chance, size)
        case 4:
            return []
        case 5:
            return said + other
        case _:
            return said[: len(said) // 2] + [int(chance.integers(0, size)) for _ in range(20)]


def _batches() -> list[list[int]]:
    """All recordings in batches of 1 to 8."""
    sizes = cycle((3, 1, 8, 5, 2, 7, 4, 6))
    batches = []
    first = 0
    while first < RECORDINGS:
        last = min(first + next(sizes), RECORDINGS)
        batches.append(list(range(first, last)))
        first = last
    return batches


@pytest.mark.parametrize("most", [MOST, 13])
@torch.inference_mode()
def test_whatever_is_drafted_the_transcript_is_that_of_plain_greedy_decoding(
    ours: Ours, theirs: Theirs, most: int
) -> None:
    chance = np.random.default_rng(1)
    for batch in _batches():
        drafts = [_draft(place, theirs, chance) for place in batch]
        for place, decoded in zip(batch, ours.read(batch, drafts, most), strict=True):
            if theirs.clear[place]:
                plain = theirs.said[place][:most]
                assert decoded.tokens == plain
                assert decoded.passes <= len(plain) + (len(plain) < most)


@torch.inference_mode()
def test_a_right_draft_costs_one_pass(ours: Ours, theirs: Theirs) -> None:
    places = [place for place in range(40) if theirs.clear[place]]
    for start in range(0, len(places), 8):
        batch = places[start : start + 8]
        decoded_chunks = ours.read(batch, [theirs.said[place] for place in batch])
        assert [decoded.passes for decoded in decoded_chunks] == [1] * len(batch)


@torch.inference_mode()
def test_a_transcript_does_not_depend_on_its_batch(ours: Ours, theirs: Theirs) -> None:
    chance = np.random.default_rng(2)
    batch = [place for place in range(30) if theirs.clear[place]][:8]
    drafts = [_draft(place, theirs, chance) for place in batch]
    together = ours.read(batch, drafts)
    for place, draft, decoded in zip(batch, drafts, together, strict=True):
        (alone,) = ours.read([place], [draft])
        assert alone.tokens == decoded.tokens
        assert alone.passes == decoded.passes
        np.testing.assert_allclose(alone.likelihoods, decoded.likelihoods, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_likelihoods_are_those_of_the_draft_read_aloud(ours: Ours, theirs: Theirs) -> None:
    chance = np.random.default_rng(3)
    prompt = ours.checkpoint.transcriber.vocabulary.prompt(LANGUAGE)
    batch = list(range(14))
    drafts = [_draft(place, theirs, chance)[: MOST - 1] for place in batch]
    assert {len(draft) for draft in drafts} >= {0, MOST - 1}
    for place, draft, decoded in zip(batch, drafts, ours.read(batch, drafts), strict=True):
        tokens = torch.tensor([[*prompt, *draft]])
        scores = theirs.model(
            encoder_outputs=(theirs.last[place : place + 1],), decoder_input_ids=tokens
        ).logits[0, len(prompt) - 1 : -1]
        likelihoods = scores.log_softmax(dim=1)[range(len(draft)), draft]
        assert decoded.likelihoods.dtype == np.float32
        np.testing.assert_allclose(decoded.likelihoods, likelihoods, atol=1e-4, rtol=1e-4)
