"""Which files of a checkpoint are wanted, and what of them the cache has, without a hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

import pytest
from filelock import FileLock

from audio_score_server.checkpoints import progress
from audio_score_server.checkpoints.integrity import discard, is_damaged, remove_incomplete
from audio_score_server.checkpoints.locate import cached_snapshot, download, locate
from audio_score_server.checkpoints.progress import readable_size
from audio_score_server.checkpoints.required import (
    EXTRACTOR,
    PROCESSOR,
    TOWER,
    WHISPER,
    WHISPER_MODEL,
    Checkpoint,
    LocalCheckpoint,
    MissingFile,
    RequiredFiles,
    checkpoints_of,
    select_files,
)
from audio_score_server.errors import ModelLoadError
from audio_score_server.settings import (
    FakeSettings,
    HiggsAudioSettings,
    PhonesSettings,
    WhisperSettings,
    load_settings,
)

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_CONVERTED: Final = "model.bin"
_EXTRACTOR: Final = "preprocessor_config.json"
_COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"


def _folder(folder: Path, *names: str, **places: str) -> Path:
    """A checkpoint of empty files, and an index of ``places`` if there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")
    if places:
        (folder / _INDEX).write_text(json.dumps({"weight_map": places}))
    return folder


def _selected(folder: Path, required: RequiredFiles) -> tuple[str, ...]:
    names = {path.name for path in folder.iterdir()}
    return select_files(Checkpoint("owner/name", None, required), names, folder.joinpath)


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        (WHISPER, [_CONFIG, "generation_config.json", _WEIGHTS, _EXTRACTOR, "vocab.json"]),
        (WHISPER_MODEL, [_CONFIG, "generation_config.json", _WEIGHTS]),
        (PROCESSOR, [_CONFIG, _EXTRACTOR, "vocab.json"]),
        (EXTRACTOR, [_EXTRACTOR]),
        (TOWER, [_CONFIG, _WEIGHTS]),
    ],
)
def test_what_is_wanted_of_a_checkpoint(
    tmp_path: Path, required: RequiredFiles, expected: list[str]
) -> None:
    others = ("README.md", "pytorch_model.bin", "model.fp32.safetensors", "flax_model.msgpack")
    names = (_CONFIG, "generation_config.json", _EXTRACTOR, "vocab.json", _WEIGHTS, *others)
    assert sorted(_selected(_folder(tmp_path, *names), required)) == expected


def test_one_file_of_weights_goes_before_shards_and_shards_before_one_file_of_a_tower(
    tmp_path: Path,
) -> None:
    names = (_CONFIG, _WEIGHTS, "a.safetensors", "b.safetensors")
    places = {"audio_tower.x": "b.safetensors", "y": "a.safetensors"}
    folder = _folder(tmp_path, *names, **places)
    assert _selected(folder, WHISPER_MODEL) == (_CONFIG, _WEIGHTS)
    assert _selected(folder, TOWER) == (_CONFIG, _INDEX, "b.safetensors")
    (folder / _WEIGHTS).unlink()
    assert _selected(folder, WHISPER_MODEL) == (_CONFIG, _INDEX, "a.safetensors", "b.safetensors")


def test_what_must_be_there_comes_after_what_need_not_and_weights_last(tmp_path: Path) -> None:
    names = (_CONFIG, _EXTRACTOR, "vocab.json", "added_tokens.json", _WEIGHTS)
    chosen = _selected(_folder(tmp_path, *names), WHISPER)
    assert chosen == ("added_tokens.json", _CONFIG, _EXTRACTOR, "vocab.json", _WEIGHTS)


def test_weights_in_ctranslate2s_format_go_last_and_may_lack_the_extractor(tmp_path: Path) -> None:
    names = (_CONFIG, "tokenizer.json", "vocabulary.json", _CONVERTED, "pytorch_model.bin")
    folder = _folder(tmp_path, *names)
    assert _selected(folder, WHISPER) == (_CONFIG, "tokenizer.json", _CONVERTED)
    assert _selected(folder, WHISPER_MODEL) == (_CONFIG, _CONVERTED)
    _folder(folder, _EXTRACTOR)
    assert _selected(folder, WHISPER) == (_CONFIG, _EXTRACTOR, "tokenizer.json", _CONVERTED)
    assert _selected(folder, PROCESSOR) == (_CONFIG, _EXTRACTOR, "tokenizer.json")
    with pytest.raises(MissingFile, match="as a pickle only"):
        _selected(folder, TOWER)
    _folder(folder, _WEIGHTS)
    assert _CONVERTED not in _selected(folder, WHISPER)
    (folder / _WEIGHTS).unlink()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MissingFile, match=r"has no tokenizer\.json; get"):
        _selected(folder, WHISPER)


def test_an_index_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path, _CONFIG, **{"audio_tower.x": "../other.safetensors"})
    with pytest.raises(MissingFile, match=r"has no \.\./other\.safetensors, which its"):
        _selected(folder, TOWER)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}'])
def test_an_index_that_is_none_is_told(tmp_path: Path, content: str) -> None:
    folder = _folder(tmp_path, _CONFIG, _INDEX)
    (folder / _INDEX).write_text(content)
    with pytest.raises(ModelLoadError, match=_INDEX):
        _selected(folder, TOWER)


def test_one_file_whose_config_says_that_it_has_no_tower_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path, _CONFIG, _WEIGHTS)
    (folder / _CONFIG).write_text('{"skip_audio_tower": true}')
    with pytest.raises(ModelLoadError, match=r"has no audio tower: its config\.json says"):
        _selected(folder, TOWER)


def test_a_folder_is_its_own_place_and_must_have_what_is_wanted(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mine", _CONFIG, _WEIGHTS)
    whisper = Checkpoint(str(folder), None, WHISPER_MODEL)
    assert locate(whisper, None) == folder
    assert download(whisper, None) == LocalCheckpoint(folder, (_CONFIG, _WEIGHTS))
    with pytest.raises(ModelLoadError, match=r"mine has no preprocessor_config\.json or"):
        locate(Checkpoint(str(folder), None, EXTRACTOR), None)


def _blob(root: Path, content: bytes, name: str, file: str = _CONFIG) -> Path:
    """A file of a snapshot whose blob has a name; the link to it."""
    repository = root / "models--owner--name"
    blob = repository / "blobs" / name
    link = repository / "snapshots" / _COMMIT / file
    for path in (blob, link, repository / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(Path("../../blobs") / name)
    (repository / "refs" / "main").write_text(_COMMIT)
    return link


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_content_is_compared_with_the_name_of_its_blob(tmp_path: Path) -> None:
    content = b"\0some content" * 1_000
    small = _blob(tmp_path, content, _git_sha1(content), "small")
    large = _blob(tmp_path, content, hashlib.sha256(content).hexdigest(), "large")
    other = _blob(tmp_path, content, "an-etag-of-another-kind", "other")
    assert [is_damaged(path) for path in (small, large, other)] == [False, False, False]
    for path in (small, large, other):
        path.resolve().write_bytes(content[:-1] + b"!")
    assert [is_damaged(path) for path in (small, large, other)] == [True, True, False]
    large.resolve().unlink()
    assert not is_damaged(large)
    copied = tmp_path / "copied"
    copied.write_bytes(content)
    assert not is_damaged(copied)


def test_content_that_repositories_share_is_discarded_where_it_is(tmp_path: Path) -> None:
    link = _blob(tmp_path / "cache", b"", "a" * 64)
    blob = link.parent / link.readlink()
    for shared, kept in ((tmp_path / "cache" / "blobs" / "aa", False), (tmp_path / "mine", True)):
        blob.unlink(missing_ok=True)
        shared.parent.mkdir(exist_ok=True)
        shared.write_bytes(b"")
        blob.symlink_to(shared)
        discard(link, tmp_path / "cache")
        assert link.is_symlink()
        assert not blob.is_symlink()
        assert shared.exists() is kept


def test_unfinished_downloads_are_removed_unless_they_are_under_way(tmp_path: Path) -> None:
    blobs = _blob(tmp_path, b"", "a" * 64).resolve().parent
    killed, alive = blobs / "dead.01234567.incomplete", blobs / "live.89abcdef.incomplete"
    for path in (killed, alive):
        path.write_bytes(b"part")
    lock = tmp_path / ".locks" / "models--owner--name" / "live.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        remove_incomplete(tmp_path, "owner/name")
    assert not killed.exists()
    assert alive.exists()


@pytest.mark.parametrize(
    ("revision", "found"),
    [(None, True), ("main", True), (_COMMIT, True), ("v1", False), ("../refs/main", True)],
)
def test_a_revision_is_what_its_ref_says_or_a_commit(
    tmp_path: Path, revision: str | None, found: bool
) -> None:
    snapshot = _blob(tmp_path, b"", "a" * 64).parent
    checkpoint = Checkpoint("owner/name", revision, EXTRACTOR)
    assert cached_snapshot(checkpoint, tmp_path) == (snapshot if found else None)


@pytest.mark.parametrize("content", [b"", b"..", b"\xff", b"f" * 40])
def test_a_ref_that_is_no_commit_of_the_cache_finds_nothing(tmp_path: Path, content: bytes) -> None:
    _blob(tmp_path, b"", "a" * 64)
    (tmp_path / "models--owner--name" / "refs" / "main").write_bytes(content)
    assert cached_snapshot(Checkpoint("owner/name", None, EXTRACTOR), tmp_path) is None


def test_models_are_made_of_checkpoints() -> None:
    whisper = WhisperSettings(key="w", type="whisper", model_id="a", revision="v1")
    assert checkpoints_of(whisper) == (Checkpoint("a", "v1", WHISPER),)
    split = whisper.model_copy(update={"processor_id": "b"})
    model, processor = Checkpoint("a", "v1", WHISPER_MODEL), Checkpoint("b", None, PROCESSOR)
    assert checkpoints_of(split) == (model, processor)
    higgs = HiggsAudioSettings(
        key="h", type="higgs_audio", model_id="a", processor_id="b", transcriber_id="c"
    )
    parts = (("a", TOWER), ("b", EXTRACTOR), ("c", WHISPER))
    assert checkpoints_of(higgs) == tuple(Checkpoint(name, None, part) for name, part in parts)
    assert checkpoints_of(PhonesSettings(key="p", type="phones")) == ()
    assert checkpoints_of(FakeSettings(key="f", type="fake")) == ()


def test_the_folder_of_models_counts_from_the_settings_file(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    models = [{"key": "fake", "type": "fake"}]
    config.write_text(json.dumps({"models": models, "models_dir": "here"}))
    assert load_settings({}, {}, config).models_dir == tmp_path / "here"
    variable = {"AUDIO_SCORE_MODELS_DIR": "there"}
    assert load_settings({}, variable, config).models_dir == Path("there")
    config.write_text(json.dumps({"models": models}))
    assert load_settings({}, {}, config).models_dir is None


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (967_092_419, "967.1 MB"), (1e10, "10.0 GB")],
)
def test_sizes_are_short(size: int, text: str) -> None:
    assert readable_size(int(size)) == text


def test_without_a_terminal_progress_is_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY_S", 0.0)
    with caplog.at_level("INFO"), progress.progress_bar(_WEIGHTS)(total=2_000, disable=True) as bar:
        bar.update(500)
        bar.update(1_000)
    assert caplog.messages == [f"{_WEIGHTS}: 500 B of 2.0 kB.", f"{_WEIGHTS}: 1.5 kB of 2.0 kB."]
