from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from audio_score_server.errors import SettingsError
from audio_score_server.library.sources import clip_folder
from audio_score_server.settings import Settings, WhisperSettings, load_settings
from audio_score_server.settings.load import VARIABLES

_MODELS = [{"key": "one", "type": "fake"}, {"key": "two", "type": "fake", "batch_ms": 5}]


def _config(folder: Path, **values: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"models": _MODELS, **values}), encoding="utf-8")
    return path


def _refusal(
    config: Path,
    environment: dict[str, str] | None = None,
    flags: dict[str, object] | None = None,
) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, environment or {}, config)
    return str(caught.value)


_SOURCES = {
    "server_port": (st.integers(0, 65_535), "AUDIO_SCORE_SERVER_PORT"),
    "max_batch_size": (st.integers(1, 1024), "AUDIO_SCORE_MAX_BATCH_SIZE"),
    "device": (st.sampled_from(["auto", "cpu", "cuda", "cuda:3"]), "AUDIO_SCORE_DEVICE"),
    "log_level": (st.sampled_from(["debug", "info", "error"]), "AUDIO_SCORE_LOG_LEVEL"),
    "server_host": (st.from_regex(r"[a-z]{1,9}", fullmatch=True), "AUDIO_SCORE_SERVER_HOST"),
}


@given(st.sampled_from(sorted(_SOURCES)), st.data())
def test_flag_beats_variable_beats_file_beats_default(name: str, data: st.DataObject) -> None:
    values, variable = _SOURCES[name]
    in_file, in_variable, in_flag = (data.draw(st.none() | values) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), **({} if in_file is None else {name: in_file}))
        environment = {} if in_variable is None else {variable: str(in_variable)}
        flag = None if in_flag is None else str(in_flag)
        settings = load_settings({name: flag}, environment, config)
    default = Settings.model_fields[name].default
    strongest = [value for value in (in_flag, in_variable, in_file, default) if value is not None]
    assert getattr(settings, name) == strongest[0]


def test_every_setting_but_the_models_has_a_variable() -> None:
    assert set(VARIABLES.values()) == set(Settings.model_fields) - {"models"}


def test_the_flag_names_the_file_before_the_variable_does(tmp_path: Path) -> None:
    for name, port in (("flag", 1), ("variable", 2), ("default", 3)):
        (tmp_path / name).mkdir()
        _config(tmp_path / name, server_port=port)
    files = {name: str(tmp_path / name / "config.json") for name in ("flag", "variable")}
    default = tmp_path / "default" / "config.json"
    variable = {"AUDIO_SCORE_CONFIG": files["variable"]}
    assert load_settings({"config": files["flag"]}, variable, default).server_port == 1
    assert load_settings({"config": None}, variable, default).server_port == 2
    assert load_settings({}, {"AUDIO_SCORE_CONFIG": ""}, default).server_port == 3


@pytest.mark.parametrize(
    ("values", "wrong", "right"),
    [
        ({"max_batchsize": 4}, "max_batchsize", "max_batch_size"),
        ({"models": [{"key": "a", "type": "fake", "batchms": 1}]}, "batchms", "batch_ms"),
        ({"models": [{"key": "a", "type": "whisper", "modelid": "x"}]}, "modelid", "model_id"),
        ({"models": [{"key": "a", "type": "phone"}]}, "phone", "phones"),
        ({"model_keys": ["on"]}, "on", "one"),
    ],
)
def test_a_misspelt_name_in_the_file_gets_the_nearest_right_one(
    tmp_path: Path, values: dict[str, object], wrong: str, right: str
) -> None:
    config = _config(tmp_path, **values)
    text = _refusal(config)
    assert f"{wrong!r}; did you mean {right!r}?" in text
    assert str(config) in text


def test_a_misspelt_variable_gets_the_nearest_right_one(tmp_path: Path) -> None:
    text = _refusal(_config(tmp_path), {"AUDIO_SCORE_SERVER_PROT": "1"})
    assert "'AUDIO_SCORE_SERVER_PROT'; did you mean 'AUDIO_SCORE_SERVER_PORT'?" in text


def test_a_former_name_gets_the_one_of_now(tmp_path: Path) -> None:
    text = _refusal(_config(tmp_path, max_queue=4))
    assert "'max_queue'; it is called 'max_inflight' now." in text
    text = _refusal(_config(tmp_path), {"AUDIO_SCORE_GRACE_S": "1"})
    assert "it is called 'AUDIO_SCORE_SHUTDOWN_TIMEOUT_S' now." in text


@pytest.mark.parametrize(
    ("environment", "flags", "source"),
    [
        ({"AUDIO_SCORE_MODEL_KEYS": "one,tow"}, {}, "AUDIO_SCORE_MODEL_KEYS"),
        ({"AUDIO_SCORE_MODEL_KEY": "tow"}, {}, "AUDIO_SCORE_MODEL_KEY"),
        ({}, {"model_keys": "tow"}, "--model-keys"),
    ],
)
def test_an_unknown_model_key_names_its_source_and_the_nearest_key(
    tmp_path: Path, environment: dict[str, str], flags: dict[str, object], source: str
) -> None:
    text = _refusal(_config(tmp_path), environment, flags)
    assert text.startswith(f"{source}: ")
    assert "'tow'; did you mean 'two'?" in text


def test_other_programs_variables_are_left_alone(tmp_path: Path) -> None:
    load_settings({}, {"AUDIO_SCORES": "1", "PATH": "/bin"}, _config(tmp_path))


def test_relative_paths_of_the_file_count_from_its_folder(tmp_path: Path) -> None:
    config = _config(tmp_path, video_clip_dir="clips", cache_dir="/var/c", server_socket="s.sock")
    settings = load_settings({}, {}, config)
    assert settings.video_clip_dir == tmp_path / "clips"
    assert settings.cache_dir == Path("/var/c")
    assert settings.server_socket == tmp_path / "s.sock"


@pytest.mark.parametrize("url", ["s3://media/clips", "gs://media", "az://media/a/b"])
def test_a_buckets_url_stays_what_it_is(tmp_path: Path, url: str) -> None:
    config = _config(tmp_path, video_clip_dir=f"{url}/", shared_cache_url=url)
    settings = load_settings({}, {}, config)
    assert settings.video_clip_dir == url
    assert settings.shared_cache_url == url
    changed = load_settings({}, {"AUDIO_SCORE_VIDEO_CLIP_DIR": "here"}, config)
    assert changed.video_clip_dir == Path("here")


def test_what_works_on_files_says_so_of_a_bucket(tmp_path: Path) -> None:
    config = _config(tmp_path, video_clip_dir="s3://media/clips")
    with pytest.raises(SettingsError, match="works on a folder"):
        clip_folder(load_settings({}, {}, config))


def test_a_checkpoints_folder_counts_from_the_files_and_a_name_on_the_hub_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "checkpoints" / "mine").mkdir(parents=True)
    config = tmp_path / "config.json"
    models = [
        {"key": "mine", "type": "whisper", "model_id": "checkpoints/mine"},
        {"key": "hubs", "type": "whisper", "model_id": "openai/whisper-tiny"},
    ]
    config.write_text(json.dumps({"models": models}))
    mine, hubs = load_settings({}, {}, config).models
    assert isinstance(mine, WhisperSettings)
    assert isinstance(hubs, WhisperSettings)
    assert mine.model_id == str(tmp_path / "checkpoints" / "mine")
    assert hubs.model_id == "openai/whisper-tiny"


def test_default_folders_are_beside_the_file(tmp_path: Path) -> None:
    settings = load_settings({}, {}, _config(tmp_path))
    assert settings.video_clip_dir == tmp_path / "video_clip"
    assert settings.cache_dir == tmp_path / "cache"


def test_a_file_named_relatively_still_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _config(tmp_path, video_clip_dir="clips")
    monkeypatch.chdir(tmp_path)
    settings = load_settings({"config": "config.json"}, {}, Path("nowhere.json"))
    assert settings.video_clip_dir == tmp_path / "clips"


def test_relative_paths_of_variables_count_from_the_working_folder(tmp_path: Path) -> None:
    settings = load_settings({}, {"AUDIO_SCORE_CACHE_DIR": "here"}, _config(tmp_path))
    assert settings.cache_dir == Path("here")


@pytest.mark.parametrize("variable", ["AUDIO_SCORE_MODEL_KEY", "AUDIO_SCORE_MODEL_KEYS"])
def test_both_spellings_of_the_model_keys_choose_models(tmp_path: Path, variable: str) -> None:
    settings = load_settings({}, {variable: "two"}, _config(tmp_path))
    assert [model.key for model in settings.chosen_models()] == ["two"]


def test_both_spellings_may_agree_but_not_differ(tmp_path: Path) -> None:
    config = _config(tmp_path)
    single, several = "AUDIO_SCORE_MODEL_KEY", "AUDIO_SCORE_MODEL_KEYS"
    assert load_settings({}, {single: "two", several: "two"}, config).model_keys == ("two",)
    text = _refusal(config, {single: "one", several: "two"})
    assert single in text
    assert several in text


def test_keys_are_split_at_commas_and_chosen_in_the_order_of_the_file(tmp_path: Path) -> None:
    settings = load_settings({"model_keys": " two, one ,"}, {}, _config(tmp_path))
    assert settings.model_keys == ("two", "one")
    assert [model.key for model in settings.chosen_models()] == ["one", "two"]


def test_all_models_are_chosen_where_no_keys_are_given(tmp_path: Path) -> None:
    settings = load_settings({}, {}, _config(tmp_path))
    assert [model.key for model in settings.chosen_models()] == ["one", "two"]


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_variable_counts_as_unset(tmp_path: Path, empty: str) -> None:
    names = [*VARIABLES, "AUDIO_SCORE_MODEL_KEY", "AUDIO_SCORE_CONFIG"]
    config = _config(tmp_path, server_port=7)
    settings = load_settings({}, dict.fromkeys(names, empty), config)
    assert settings == load_settings({}, {}, config)


def test_keys_that_are_all_empty_are_refused(tmp_path: Path) -> None:
    assert "AUDIO_SCORE_MODEL_KEYS" in _refusal(
        _config(tmp_path), {"AUDIO_SCORE_MODEL_KEYS": " , "}
    )


@pytest.mark.parametrize("name", ["server_host", "server_port"])
def test_a_stronger_address_replaces_a_weaker_socket(tmp_path: Path, name: str) -> None:
    value = {"server_host": "::1", "server_port": "80"}[name]
    config = _config(tmp_path, server_socket="a.sock")
    variable = {"AUDIO_SCORE_" + name.upper(): value}
    socket = {"AUDIO_SCORE_SERVER_SOCKET": "b.sock"}
    assert load_settings({name: value}, {}, config).server_socket is None
    assert load_settings({}, variable, config).server_socket is None
    assert load_settings({name: value}, socket, config).server_socket is None


def test_a_socket_stands_beside_an_address_no_stronger_than_itself(tmp_path: Path) -> None:
    config = _config(tmp_path, server_socket="a.sock", server_port=80)
    assert load_settings({}, {}, config).server_socket == tmp_path / "a.sock"
    environment = {"AUDIO_SCORE_SERVER_SOCKET": "b.sock", "AUDIO_SCORE_SERVER_PORT": "81"}
    assert load_settings({}, environment, config).server_socket == Path("b.sock")
    flags = {"server_socket": "c.sock"}
    assert load_settings(flags, environment, config).server_socket == Path("c.sock")


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings = load_settings({}, {}, _config(tmp_path))
    with pytest.raises(ValidationError, match="frozen"):
        settings.server_port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.models[0].key = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"models"',
        b"null",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{'models': []}",
        b"[" * 100_000,
    ],
)
def test_a_file_that_holds_no_object_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    config = tmp_path / "config.json"
    config.write_bytes(content)
    assert str(config) in _refusal(config)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    text = _refusal(tmp_path / "config.json")
    assert str(tmp_path / "config.json") in text
    assert "--config" in text


def test_a_folder_for_a_file_is_refused_by_name(tmp_path: Path) -> None:
    assert str(tmp_path) in _refusal(tmp_path)


_WRONG_VALUES: list[tuple[str, object]] = [
    ("models", []),
    ("models", {}),
    ("models", [5]),
    ("models", [{"key": "a"}]),
    ("models", [{"type": "fake"}]),
    ("models", [{"key": "a", "type": []}]),
    ("models", [{"key": "a", "type": {}}]),
    ("models", [{"key": "a", "type": None}]),
    ("models", [{"key": "../a", "type": "fake"}]),
    ("models", [{"key": "", "type": "fake"}]),
    ("models", [{"key": "a", "type": "whisper"}]),
    ("models", [{"key": "a", "type": "fake", "only_on": "tpu"}]),
    ("models", [{"key": "a", "type": "fake", "batch_ms": -1}]),
    ("models", [{"key": "a", "type": "fake"}, {"key": "a", "type": "phones"}]),
    ("model_keys", []),
    ("model_keys", 5),
    ("video_clip_dir", 5),
    ("video_clip_dir", "s4://media/clips"),
    ("video_clip_dir", "https://media.example/clips"),
    ("video_clip_dir", "s3:///clips"),
    ("shared_cache_url", "features"),
    ("shared_cache_url", 5),
    ("bucket_interval_s", 0.1),
    ("bucket_copy_bytes", -1),
    ("cache_dir", None),
    ("target_sampling_rate", 7_999),
    ("target_sampling_rate", 48_001),
    ("device", "gpu"),
    ("device", "cuda:"),
    ("max_batch_size", 0),
    ("max_batch_size", 1.5),
    ("max_batch_wait_ms", -1),
    ("max_batch_wait_ms", "soon"),
    ("disable_cache_flush", "maybe"),
    ("max_upload_bytes", 999),
    ("max_audio_seconds", 0),
    ("max_audio_seconds", 3_601),
    ("min_audio_seconds", 0.01),
    ("server_port", -1),
    ("server_port", 65_536),
    ("server_port", "http"),
    ("log_level", "loud"),
    ("log_format", "xml"),
]


@pytest.mark.parametrize(("name", "value"), _WRONG_VALUES)
def test_a_wrong_value_in_the_file_is_refused_with_its_place(
    tmp_path: Path, name: str, value: object
) -> None:
    config = _config(tmp_path, **{name: value})
    text = _refusal(config)
    assert str(config) in text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    "name",
    ["max_batch_wait_ms", "max_audio_seconds", "min_audio_seconds", "reference_memory_mib"],
)
def test_a_number_that_is_none_is_refused(tmp_path: Path, name: str, number: str) -> None:
    config = tmp_path / "config.json"
    config.write_text(f'{{"models": {json.dumps(_MODELS)}, "{name}": {number}}}')
    assert str(config) in _refusal(config)


def test_a_file_without_models_is_refused_by_name(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text("{}")
    text = _refusal(config)
    assert "models" in text
    assert str(config) in text


def test_a_setting_given_twice_in_the_file_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        f'{{"models": {json.dumps(_MODELS)}, "server_port": 9001, "server_port": 9002}}'
    )
    text = _refusal(config)
    assert str(config) in text
    assert "server_port" in text


def test_the_shortest_recording_may_not_exceed_the_longest(tmp_path: Path) -> None:
    config = _config(tmp_path, min_audio_seconds=5, max_audio_seconds=2)
    assert "min_audio_seconds" in _refusal(config)


@pytest.mark.parametrize(
    ("environment", "flags", "source"),
    [
        ({"AUDIO_SCORE_SERVER_PORT": "x"}, {}, "AUDIO_SCORE_SERVER_PORT"),
        ({"AUDIO_SCORE_MAX_BATCH_SIZE": "0"}, {}, "AUDIO_SCORE_MAX_BATCH_SIZE"),
        ({}, {"server_port": "x"}, "--port"),
        ({}, {"server_host": 5}, "--host"),
        ({}, {"device": "gpu"}, "--device"),
        ({}, {"log_level": "loud"}, "--log-level"),
    ],
)
def test_a_wrong_value_names_the_variable_or_flag(
    tmp_path: Path, environment: dict[str, str], flags: dict[str, object], source: str
) -> None:
    assert source in _refusal(_config(tmp_path), environment, flags)


@pytest.mark.parametrize("model_type", ["fake", "phones"])
def test_two_models_of_one_key_are_refused(tmp_path: Path, model_type: str) -> None:
    models = [{"key": "a", "type": "fake"}, {"key": "a", "type": model_type}]
    assert "two models have the key 'a'" in _refusal(_config(tmp_path, models=models))


def test_the_auxiliary_models_key_is_refused(tmp_path: Path) -> None:
    models = [{"key": "phones-auxiliary", "type": "fake"}]
    assert "choose another" in _refusal(_config(tmp_path, models=models))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_NAMES = st.sampled_from(sorted(Settings.model_fields)) | st.text(max_size=5)


@given(st.dictionaries(_NAMES, _JSON, max_size=4))
def test_any_json_is_loaded_or_refused_as_settings(values: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), **values)
        rejection = ""
        try:
            load_settings({}, {}, config)
        except SettingsError as error:
            rejection = str(error)
    assert not rejection or str(config) in rejection
