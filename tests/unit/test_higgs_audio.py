from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2AudioEncoderConfig, WhisperFeatureExtractor
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from audio_score_server.domain import Encoding, Utterance, Waveform
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.higgs_audio.tower import load_tower
from audio_score_server.runners.precision import Precision
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader, LocalSettings
from audio_score_server.settings import HiggsAudioSettings, Settings, WhisperSettings
from tests.checkpoints import RATE, TOWER, WINDOW_S, babble, make_higgs_audio, make_whisper

CPU = torch.device("cpu")
Load = Callable[..., Runner[Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tower, an extractor for it, and a transcriber: folders of checkpoints that stay."""
    folder = tmp_path_factory.mktemp("checkpoints")
    make_higgs_audio(folder / "higgs")
    extractor: Any = WhisperFeatureExtractor
    extractor(feature_size=128, chunk_length=WINDOW_S).save_pretrained(folder / "extractor")
    make_whisper(folder / "whisper", letters=True)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "checkpoints"))


def _higgs_settings(folder: Path, **changes: Any) -> HiggsAudioSettings:
    places = {
        "model_id": str(folder / "higgs"),
        "processor_id": str(folder / "extractor"),
        "transcriber_id": str(folder / "whisper"),
    }
    return HiggsAudioSettings.model_validate(
        {"key": "higgs", "type": "higgs_audio", "dtype": "float32", **places, **changes}
    )


def _whisper_settings(folder: Path, **changes: Any) -> WhisperSettings:
    return WhisperSettings.model_validate(
        {
            **{"key": "whisper", "type": "whisper", "dtype": "float32"},
            "model_id": str(folder / "whisper"),
            **changes,
        }
    )


def _loader(*models: LocalSettings) -> Loader:
    return Loader(Settings(models=models, device="cpu"))


def _load(folder: Path, **changes: Any) -> Runner[Any]:
    model = _higgs_settings(folder, **changes)
    return _loader(model).load(model)


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Within a window, a whole window, several windows, and silence."""
    spoken = [babble(seed, length) for seed, length in enumerate((1.0, 2.59, 3.0, 7.3))]
    return [Waveform(samples, RATE) for samples in (*spoken, np.zeros(RATE, np.float32))]


def _run(runner: Runner[Any], waveforms: list[Waveform]) -> list[Encoding]:
    return runner.run([Utterance(runner.prepare(waveform), None) for waveform in waveforms])


def _theirs(folder: Path) -> Any:
    """The tower as transformers has it, its weights taken from the shards."""
    config = json.loads((folder / "config.json").read_text())["audio_encoder_config"]
    tower: Any = Qwen2AudioEncoder(Qwen2AudioEncoderConfig(**config))
    tensors: dict[str, torch.Tensor] = {}
    for shard in folder.glob("*.safetensors"):
        tensors |= load_file(shard)
    own = {name.removeprefix(TOWER): each for name, each in tensors.items() if TOWER in name}
    tower.load_state_dict(own)
    return tower.train(False)


@torch.inference_mode()
def test_the_tower_is_that_of_transformers(made: Path) -> None:
    mel = torch.randn(3, 128, 300, generator=torch.Generator().manual_seed(0))
    theirs = _theirs(made / "higgs")(mel).last_hidden_state
    tower = load_tower(made / "higgs", CPU, Precision(torch.float32))
    assert tower.bands == 128
    assert tower.info.parameters == sum(
        each.numel() for each in _theirs(made / "higgs").parameters()
    )
    torch.testing.assert_close(tower.encode(mel), theirs, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_features_are_the_towers(made: Path, waveforms: list[Waveform]) -> None:
    extractor: Any = WhisperFeatureExtractor.from_pretrained(made / "extractor")
    short = waveforms[:3]
    mel = extractor([each.samples for each in short], sampling_rate=RATE, return_tensors="pt")
    theirs = _theirs(made / "higgs")(mel.input_features).last_hidden_state
    for encoding, waveform, expected in zip(_run(_load(made), short), short, theirs, strict=True):
        frames = encoding.features.frames
        assert encoding.features.frame_rate_hz == 25.0
        assert len(frames) == len(encoding.features.speech) == -(-len(waveform.samples) // 640)
        np.testing.assert_allclose(frames, expected[: len(frames)], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window_s", [3.0, 2.3, 1.16])
def test_long_recordings_have_all_their_frames(
    made: Path, waveforms: list[Waveform], window_s: float
) -> None:
    for encoding, waveform in zip(
        _run(_load(made, encoder_window_s=window_s), waveforms), waveforms, strict=True
    ):
        frames = -(-len(waveform.samples) // 640)
        assert encoding.features.frames.shape == (frames, 48)
        assert encoding.features.speech.shape == (frames,)


def test_no_pass_hears_more_than_a_window(made: Path) -> None:
    samples = babble(0, 2.0)
    whole = Waveform(samples, RATE)
    half = Waveform(samples[:RATE], RATE)
    # Nothing is quiet: the cut is as late as it may be.
    parts = _load(made, encoder_window_s=1.0).prepare(Waveform(np.ones_like(samples), RATE))
    assert [len(part.speech) for part in parts.tower] == [25, 25]
    narrow, wide = (
        _run(_load(made, encoder_window_s=window_s), [half, whole]) for window_s in (1.0, 3.0)
    )
    assert not np.allclose(narrow[0].features.frames, wide[0].features.frames, atol=1e-2)
    assert not np.allclose(narrow[1].features.frames, wide[1].features.frames, atol=1e-2)


def test_transcripts_are_the_transcribers(made: Path, waveforms: list[Waveform]) -> None:
    whisper = _whisper_settings(made)
    heard = _run(_loader(whisper).load(whisper), waveforms)
    written = [encoding.transcript for encoding in _run(_load(made), waveforms)]
    assert written == [encoding.transcript for encoding in heard]
    assert len({transcript.text for transcript in written}) == len(waveforms)
    assert written[-1].text == ""


def test_evidence_is_the_transcribers(made: Path, waveforms: list[Waveform]) -> None:
    model = _whisper_settings(made)
    higgs, whisper = _load(made), _loader(model).load(model)
    expected = higgs.expected("a b c d e")
    assert expected is not None
    for waveform in waveforms[:4]:
        (own,) = higgs.run([Utterance(higgs.prepare(waveform), expected)])
        (other,) = whisper.run([Utterance(whisper.prepare(waveform), expected)])
        assert own.evidence is not None
        assert other.evidence is not None
        assert own.evidence.shape == (5,)
        np.testing.assert_allclose(own.evidence, other.evidence, atol=1e-5)


def test_shards_without_the_tower_need_not_be_there(folder: Path, made: Path) -> None:
    (folder / "higgs" / "model-00003-of-00003.safetensors").unlink()
    assert _load(folder).fingerprint == _load(made).fingerprint


def test_no_other_tensor_is_read(folder: Path, made: Path) -> None:
    for number, name in ((1, "embed_tokens.weight"), (2, "layers.0.mlp.up_proj.weight")):
        _make_unreadable(folder / "higgs" / f"model-0000{number}-of-00003.safetensors", name)
    assert _load(folder).fingerprint == _load(made).fingerprint


def _make_unreadable(shard: Path, name: str) -> None:
    """Say that a tensor's numbers are of a kind that PyTorch does not know."""
    content = shard.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    start, stop = header[name]["data_offsets"]
    header[name] |= {"dtype": "F6_E2M3", "shape": [(stop - start) * 8 // 6]}
    changed = json.dumps(header).encode()
    shard.write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])
    with pytest.raises(Exception, match="Dtype not understood"):
        load_file(shard)


def test_the_tower_may_be_in_one_file(folder: Path, made: Path) -> None:
    tower = folder / "higgs"
    tensors: dict[str, torch.Tensor] = {}
    for shard in sorted(tower.glob("*.safetensors")):
        tensors |= load_file(shard)
        shard.unlink()
    (tower / "model.safetensors.index.json").unlink()
    save_file(tensors, tower / "model.safetensors")
    assert _load(folder).fingerprint == _load(made).fingerprint


def _change_config(folder: Path, **changes: Any) -> None:
    path = folder / "higgs" / "config.json"
    config = json.loads(path.read_text())
    kept = {name: value for name, value in (config | changes).items() if value is not None}
    path.write_text(json.dumps(kept))


def _drop_tower(folder: Path) -> None:
    path = folder / "higgs" / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    places = index["weight_map"]
    index["weight_map"] = {name: places[name] for name in places if TOWER not in name}
    path.write_text(json.dumps(index))


@pytest.mark.parametrize("changes", [{"skip_audio_tower": True}, {"audio_encoder_config": None}])
def test_a_checkpoint_that_was_saved_without_its_tower_is_refused(
    folder: Path, changes: dict[str, Any]
) -> None:
    _change_config(folder, **changes)
    with pytest.raises(ModelLoadError, match=r"has no audio tower.*skip_audio_tower"):
        _load(folder)


def test_a_checkpoint_whose_index_names_no_tower_is_refused(folder: Path) -> None:
    _drop_tower(folder)
    with pytest.raises(ModelLoadError, match=f"no audio tower: no tensor .*'{TOWER}'"):
        _load(folder)


def test_a_file_without_a_tower_is_refused(tmp_path: Path, made: Path) -> None:
    shard = made / "higgs" / "model-00003-of-00003.safetensors"
    shutil.copy(shard, tmp_path / "model.safetensors")
    shutil.copy(made / "higgs" / "config.json", tmp_path)
    with pytest.raises(ModelLoadError, match=r"no audio tower: no tensor audio_tower\."):
        load_tower(tmp_path, CPU, Precision(torch.float32))


@pytest.mark.parametrize("changes", [{"encoder_layers": 4}, {"d_model": 64}])
def test_a_tower_unlike_its_configuration_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    config = json.loads((folder / "higgs" / "config.json").read_text())["audio_encoder_config"]
    config.pop("num_hidden_layers")
    _change_config(folder, audio_encoder_config=config | changes)
    with pytest.raises(ModelLoadError, match="not what audio_encoder_config says") as rejection:
        _load(folder)
    assert "\n" not in str(rejection.value)


def test_a_processor_of_other_mel_bands_is_refused(made: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"takes 128 mel bands, .* makes 80; name another"):
        _load(made, processor_id=str(made / "whisper"))


def test_a_language_that_the_transcriber_does_not_know_is_refused(made: Path) -> None:
    with pytest.raises(ModelLoadError, match="'fr' is not one of the checkpoint's: de, en, zh"):
        _load(made, language="fr")
    (encoding,) = _run(_load(made, language="de"), [Waveform(babble(0, 1.0), RATE)])
    assert encoding.transcript.language == "de"


def _replace_by_nonsense(weights: Path) -> None:
    """As a new file: the old one may still be mapped into memory."""
    weights.unlink()
    weights.write_bytes(b"nonsense")


@pytest.mark.parametrize("first", ["whisper", "higgs"])
def test_a_transcriber_that_is_also_a_model_is_loaded_once(
    folder: Path, waveforms: list[Waveform], first: str
) -> None:
    models: dict[str, LocalSettings] = {
        "whisper": _whisper_settings(folder),
        "higgs": _higgs_settings(folder),
    }
    loader = _loader(*models.values())
    runners = {first: loader.load(models[first])}
    _replace_by_nonsense(folder / "whisper" / "model.safetensors")
    (second,) = models.keys() - {first}
    runners[second] = loader.load(models[second])
    # Each may be let go without the other.
    runners.pop(first).close()
    assert _run(runners[second], waveforms[:1])[0].transcript.text
    with pytest.raises(ModelLoadError):
        _loader(models["whisper"]).load(models["whisper"])


def test_other_numbers_are_another_transcriber(folder: Path) -> None:
    whisper = _whisper_settings(folder)
    loader = _loader(whisper)
    loader.load(whisper)
    _replace_by_nonsense(folder / "whisper" / "model.safetensors")
    with pytest.raises(ModelLoadError):
        loader.load(_whisper_settings(folder, dtype="bfloat16"))


def test_the_placement_is_of_both_parts(made: Path) -> None:
    whisper = _whisper_settings(made)
    transcriber = _loader(whisper).load(whisper).info
    tower = load_tower(made / "higgs", CPU, Precision(torch.float32)).info
    both = _load(made).info
    assert both.device == "cpu"
    assert both.dtype == "float32"
    assert both.parameters == tower.parameters + transcriber.parameters
    assert both.size == tower.size + transcriber.size


def test_fingerprints_change_with_what_changes_encodings(made: Path, tmp_path: Path) -> None:
    make_higgs_audio(tmp_path / "tower", seed=1)
    make_whisper(tmp_path / "transcriber", seed=1)
    changes: list[dict[str, Any]] = [
        {},
        {"model_id": str(tmp_path / "tower")},
        {"transcriber_id": str(tmp_path / "transcriber")},
        {"language": "en"},
        {"encoder_window_s": 2.0},
        {"max_new_tokens": 20},
        {"dtype": "bfloat16"},
    ]
    fingerprints = [_load(made, **each).fingerprint for each in changes]
    assert len(set(fingerprints)) == len(fingerprints)
    assert _load(made, key="other").fingerprint == fingerprints[0]
