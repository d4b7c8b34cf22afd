"""A checkpoint in CTranslate2's format is the checkpoint that it was converted from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import WhisperFeatureExtractor

from audio_score_server.domain import Utterance, Waveform
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.precision import Precision
from audio_score_server.runners.registry import load_runner
from audio_score_server.runners.whisper.checkpoint import (
    WhisperCheckpoint,
    load_whisper,
    tokenizer_of,
)
from audio_score_server.runners.whisper.converted import read_converted
from audio_score_server.settings import Settings, WhisperSettings
from tests.checkpoints import RATE, babble, make_whisper
from tests.converted import Arrays, convert, model_bin

_CPU: Final = torch.device("cpu")
_DTYPES: Final = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints, and of what CTranslate2 makes of them."""
    folder = tmp_path_factory.mktemp("converted")
    make_whisper(folder / "whisper")
    make_whisper(folder / "english", languages=())
    make_whisper(folder / "bands", bands=128)
    convert(folder / "english", folder / "english-float32")
    convert(folder / "bands", folder / "bands-float32")
    for kind in (*_DTYPES, "int16", "int8", "int8_float16"):
        convert(folder / "whisper", folder / f"whisper-{kind}", kind)
    return folder


def _load(folder: Path, dtype: torch.dtype = torch.float32) -> WhisperCheckpoint:
    return load_whisper(folder, folder, _CPU, Precision(dtype), 8)


def _tokenizer(folder: Path) -> Any:
    return tokenizer_of(folder)


@pytest.mark.parametrize("kind", list(_DTYPES))
def test_weights_filters_and_tokens_are_those_of_its_twin(made: Path, kind: str) -> None:
    dtype = _DTYPES[kind]
    twin, converted = _load(made / "whisper", dtype), _load(made / f"whisper-{kind}", dtype)
    assert converted.fingerprint == twin.fingerprint
    assert _spoken(converted) == _spoken(twin)


@pytest.mark.parametrize("name", ["english", "bands"])
def test_languages_and_bands_are_those_of_its_twin(made: Path, name: str) -> None:
    twin, converted = _load(made / name), _load(made / f"{name}-float32")
    assert converted.fingerprint == twin.fingerprint
    assert _spoken(converted) == _spoken(twin)


def _spoken(checkpoint: WhisperCheckpoint) -> tuple[object, ...]:
    """What a vocabulary was told by its checkpoint."""
    known = checkpoint.transcriber.vocabulary
    drafts = known.draft("the inn, at 3").tokens
    return (
        *(
            known.prompt("en"),
            known.stop,
            known.languages,
            known.suppressed,
            known.suppressed_first,
        ),
        *(drafts, known.text(drafts)),
    )


def test_encodings_are_those_of_its_twin(made: Path) -> None:
    waveforms = [Waveform(babble(seed, 1 + seed), RATE) for seed in range(4)]
    twin, converted = (
        _encodings(made / folder, waveforms) for folder in ("whisper", "whisper-float32")
    )
    assert len({encoding.transcript.text for encoding in twin}) == len(waveforms)
    for left, right in zip(twin, converted, strict=True):
        assert left.transcript == right.transcript
        np.testing.assert_array_equal(left.features.frames, right.features.frames)
        np.testing.assert_array_equal(left.features.speech, right.features.speech)


def _encodings(folder: Path, waveforms: list[Waveform]) -> list[Any]:
    model = WhisperSettings(key="w", type="whisper", model_id=str(folder), dtype="float32")
    runner = load_runner(model, Settings(models=(model,), device="cpu"))
    return runner.run([Utterance(runner.prepare(waveform), None) for waveform in waveforms])


@pytest.mark.parametrize(("kind", "steps"), [("int8", 127), ("int8_float16", 127), ("int16", 1024)])
def test_quantised_weights_are_within_a_step(made: Path, kind: str, steps: int) -> None:
    folder = made / f"whisper-{kind}"
    weights = read_converted(folder, _tokenizer(folder)).weights
    original = load_file(made / "whisper" / "model.safetensors")
    assert weights.keys() == original.keys() - {"proj_out.weight"}
    for name, weight in weights.items():
        largest = float(original[name].abs().max())
        # What is no matrix is not quantised, and with int8_float16 rounded to float16.
        step = largest / steps if weight.ndim > 1 else largest * 2**-11
        torch.testing.assert_close(weight.float(), original[name], atol=step, rtol=0)
    _load(folder)


def test_the_processor_may_be_elsewhere(made: Path, tmp_path: Path) -> None:
    alone = convert(made / "whisper", tmp_path / "alone", copied=())
    checkpoint = load_whisper(alone, made / "whisper", _CPU, Precision(torch.float32), 8)
    assert checkpoint.fingerprint == _load(made / "whisper").fingerprint
    assert _spoken(checkpoint) == _spoken(_load(made / "whisper"))


def test_a_converted_checkpoint_may_be_the_processor(made: Path, tmp_path: Path) -> None:
    copied = ("tokenizer.json", "preprocessor_config.json")
    other = convert(made / "whisper", tmp_path / "other", "int8", copied)
    checkpoint = load_whisper(made / "whisper", other, _CPU, Precision(torch.float32), 8)
    assert checkpoint.fingerprint == _load(made / "whisper").fingerprint
    assert _spoken(checkpoint) == _spoken(_load(made / "whisper"))


def test_an_extractor_of_its_own_is_heeded(made: Path, tmp_path: Path) -> None:
    folder = convert(made / "whisper", tmp_path / "own")
    extractor: Any = WhisperFeatureExtractor
    extractor(feature_size=128).save_pretrained(folder)
    with pytest.raises(ModelLoadError, match="takes 80 mel bands, its processor makes 128"):
        _load(folder)


def test_weights_of_transformers_go_first(made: Path, tmp_path: Path) -> None:
    folder = make_whisper(tmp_path / "both", seed=1)
    (folder / "model.bin").write_bytes(b"a pickle")
    assert _load(folder).fingerprint != _load(made / "whisper").fingerprint


def test_languages_that_are_not_listed_are_read_off_the_tokens(made: Path, tmp_path: Path) -> None:
    folder = convert(made / "whisper", tmp_path / "unlisted")
    facts = json.loads((folder / "config.json").read_bytes())
    del facts["lang_ids"]
    (folder / "config.json").write_text(json.dumps({**facts, "suppress_ids": None}))
    vocabulary = _load(folder).transcriber.vocabulary
    assert vocabulary.languages == _load(made / "whisper").transcriber.vocabulary.languages
    assert vocabulary.suppressed == []


def _arrays(width: int = 4, bands: int = 80, words: int = 300, heads: int = 2) -> Arrays:
    """The arrays that tell a model's sizes; one layer on each side, and the rest missing."""
    return {
        "encoder/conv1/weight": np.zeros((width, bands, 3), np.float32),
        "encoder/position_encodings/encodings": np.zeros((10, width), np.float32),
        "decoder/position_encodings/encodings": np.zeros((10, width), np.float32),
        "decoder/embeddings/weight": np.zeros((words, width), np.float32),
        "encoder/num_heads": np.array(heads, np.int16),
        "decoder/num_heads": np.array(heads, np.int16),
        "encoder/layer_0/ffn/linear_0/weight": np.zeros((8, width), np.float32),
        "decoder/layer_0/ffn/linear_0/weight": np.zeros((8, width), np.float32),
    }


def _without(name: str) -> Arrays:
    return {other: array for other, array in _arrays().items() if other != name}


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "ends too early"),
        (model_bin(_arrays(), specification="TransformerSpec"), "no Whisper model but 'Transf"),
        (model_bin(_without("encoder/conv1/weight")), "lacks encoder/conv1/weight"),
        (model_bin(_without("decoder/num_heads")), "lacks decoder/num_heads"),
        (model_bin(_without("encoder/layer_0/ffn/linear_0/weight")), "lacks encoder/layer_0"),
        (model_bin(_arrays(heads=0)), "4 dimensions cannot be shared among 0 heads"),
        (model_bin(_arrays(heads=3)), "4 dimensions cannot be shared among 3 heads"),
        (model_bin(_arrays(width=0)), r"conv1/weight has the shape \[0, 80, 3\]"),
        (model_bin(_arrays(words=100)), r"no <\|endoftext\|> that the model knows"),
        (model_bin(_arrays()), "lacks encoder/conv1/bias"),
        (
            model_bin({**_arrays(), "encoder/conv1/bias": np.zeros(5, np.float32)}),
            r"conv1/bias does not have the shape \[4\]",
        ),
    ],
)
def test_files_that_are_no_whisper_model_are_told(
    made: Path, tmp_path: Path, content: bytes, cause: str
) -> None:
    folder = convert(made / "whisper", tmp_path / "wrong")
    (folder / "model.bin").write_bytes(content)
    with pytest.raises(ModelLoadError, match=cause) as told:
        _load(folder)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ("", "does not say which tokens CTranslate2 suppresses"),
        ("[" * 100_000, "does not say which tokens CTranslate2 suppresses"),
        ('{"model_type": "whisper"}', "does not say which tokens CTranslate2 suppresses"),
        ('{"suppress_ids": [1, -1], "suppress_ids_begin": []}', "suppress_ids of config.json"),
        ('{"suppress_ids": [], "suppress_ids_begin": {}}', "suppress_ids_begin of config.json"),
        (
            '{"suppress_ids": [], "suppress_ids_begin": [], "lang_ids": [9999]}',
            "lang_ids of config.json lists what is no token of the model",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_is_told(
    made: Path, tmp_path: Path, facts: str, cause: str
) -> None:
    folder = convert(made / "whisper", tmp_path / "wrong")
    (folder / "config.json").write_text(facts)
    with pytest.raises(ModelLoadError, match=cause):
        read_converted(folder, _tokenizer(made / "whisper"))


def test_a_tokenizer_without_whispers_tokens_is_told(made: Path, tmp_path: Path) -> None:
    folder = convert(made / "whisper", tmp_path / "wrong")
    tokenizer = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(tokenizer.replace("notimestamps", "none"))
    with pytest.raises(ModelLoadError, match=r"no <\|notimestamps\|> that the model knows; name"):
        _load(folder)


@pytest.fixture(scope="module")
def reread(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], bool]:
    """Whether a changed ``model.bin`` is taken; raises what reading it raises."""
    folder = convert(made / "whisper", tmp_path_factory.mktemp("reread") / "it")
    tokenizer = _tokenizer(made / "whisper")

    def read(content: bytes) -> bool:
        (folder / "model.bin").write_bytes(content)
        try:
            read_converted(folder, tokenizer)
        except ModelLoadError:
            return False
        return True

    return read


@given(st.data())
def test_of_a_damaged_checkpoint_nothing_else_is_raised(
    made: Path, reread: Callable[[bytes], bool], data: st.DataObject
) -> None:
    content = (made / "whisper-float32" / "model.bin").read_bytes()
    assert not reread(content[: data.draw(st.integers(0, len(content) - 1))])
    names = [found.start() for found in re.finditer(b"coder/", content)]
    for _ in range(data.draw(st.integers(1, 3))):
        # Beside the names, where shapes and sizes are.
        place = data.draw(st.sampled_from(names)) + data.draw(st.integers(-4, 80))
        piece = data.draw(st.binary(min_size=1, max_size=4))
        content = content[:place] + piece + content[place + len(piece) :]
    reread(content)
