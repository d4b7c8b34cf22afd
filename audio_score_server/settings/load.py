"""Gather settings from their three sources and explain what is wrong with them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from audio_score_server.errors import SettingsError
from audio_score_server.settings.model import ModelSettings
from audio_score_server.settings.server import Settings

PREFIX: Final = "AUDIO_SCORE_"
GATE_PREFIX: Final = PREFIX + "GATE_"
"""Of the gateway's variables, which are no server's."""
CONFIG_VARIABLE: Final = PREFIX + "CONFIG"
_SINGLE_KEY_VARIABLE: Final = PREFIX + "MODEL_KEY"
_PATHS: Final = (
    "video_clip_dir",
    "cache_dir",
    "models_dir",
    "server_socket",
    "api_keys_file",
    "admin_keys_file",
)
_WHOLE: Final = "settings"
_CHECKPOINTS: Final = ("model_id", "processor_id", "transcriber_id")
_LISTS: Final = ("model_keys", "cors_origins", "transcribe_url_hosts")
"""Comma separated in variables and flags."""
_RENAMED: Final = {"max_queue": "max_inflight", "grace_s": "shutdown_timeout_s"}
"""Former names of settings, and what they are called now."""
VARIABLES: Final = {
    PREFIX + name.upper(): name for name in Settings.model_fields if name != "models"
}
"""Environment variable to setting; `AUDIO_SCORE_MODEL_KEY` stands for `AUDIO_SCORE_MODEL_KEYS`."""

_SERVICE_LINK: Final = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_\w+)$")
"""Kubernetes tells every pod of every service: one called audio-score makes such variables, and
``AUDIO_SCORE_SERVER_PORT=tcp://...`` of one called audio-score-server."""

_Origins = dict[str, str]


def load_settings(
    flags: Mapping[str, object], environment: Mapping[str, str], default_config: Path
) -> Settings:
    """Settings by rising precedence: ``config.json``, environment variables, flags.

    Args:
        flags: settings given on the command line by name, and ``config``; None means not given.
        environment: usually ``os.environ``; empty variables count as unset.
        default_config: used where neither flag nor variable names a file.

    Raises:
        SettingsError: the file cannot be read, or a setting is misspelt or wrong; the text names
            the source, the cause and the nearest right name.
    """
    given_flags = {name: value for name, value in flags.items() if value is not None}
    given_variables = given(environment)
    config = Path(
        str(given_flags.pop("config", None) or given_variables.get(CONFIG_VARIABLE, default_config))
    )
    values, origins = _from_file(config)
    for source, names in (_from_variables(given_variables), _from_flags(given_flags)):
        _let_address_replace_socket(values, source)
        values.update(source)
        origins.update(names)
    return _validated(values, origins)


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that someone has set on purpose: not the empty ones, and no service links."""
    return {
        name: value
        for name, value in environment.items()
        if value.strip()
        and not _SERVICE_LINK.search(name)
        and not value.startswith(("tcp://", "udp://"))
    }


def _let_address_replace_socket(values: dict[str, Any], source: Mapping[str, Any]) -> None:
    """A host or port from a stronger source means that no weaker source's socket is wanted."""
    if {"server_host", "server_port"} & source.keys():
        values.pop("server_socket", None)


def _from_file(path: Path) -> tuple[dict[str, Any], _Origins]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once_each)
    except FileNotFoundError:
        raise SettingsError(
            f"{path} does not exist. Name the settings file with --config or {CONFIG_VARIABLE}."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold a JSON object.")
    check_names(values, Settings.model_fields, f"{path}: unknown setting")
    _check_models(values.get("models"), path)
    folder = path.absolute().parent
    for name in _PATHS:
        if isinstance(values.get(name), str) and "://" not in values[name]:
            values[name] = folder / values[name]
    _find_checkpoints(values.get("models"), folder)
    for name in ("video_clip_dir", "cache_dir"):
        values.setdefault(name, folder / Settings.model_fields[name].default)
    # What concerns several settings at once is told of the file as a whole.
    return values, {name: f"{path}: {name}" for name in ("models", *values)} | {_WHOLE: str(path)}


def _find_checkpoints(models: object, folder: Path) -> None:
    """Make absolute what names a checkpoint's folder, and leave what is a name on the hub."""
    for model in models if isinstance(models, list) else []:
        for name in _CHECKPOINTS:
            named = model.get(name) if isinstance(model, dict) else None
            if isinstance(named, str) and (folder / named).is_dir():
                model[name] = str(folder / named)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets the last of two equal keys win without a word."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice")
    return dict(pairs)


def _check_models(models: object, path: Path) -> None:
    """Misspelt keys of a model, told apart from the keys of other types."""
    fields_of = {
        get_args(cls.model_fields["type"].annotation)[0]: cls.model_fields
        for cls in get_args(get_args(ModelSettings)[0])
    }
    for model in models if isinstance(models, list) else []:
        if not isinstance(model, dict):
            continue
        where = f"{path}: model {model.get('key', '?')!r}"
        kind = str(model.get("type"))
        if "type" in model and kind not in fields_of:
            check_names([kind], fields_of, f"{where}: unknown type")
        check_names(model, fields_of.get(kind, model), f"{where}: unknown setting")


def _from_variables(environment: Mapping[str, str]) -> tuple[dict[str, Any], _Origins]:
    known = {*VARIABLES, CONFIG_VARIABLE, _SINGLE_KEY_VARIABLE}
    ours = [
        name for name in environment if name.startswith(PREFIX) and not name.startswith(GATE_PREFIX)
    ]
    check_names(ours, known, "unknown environment variable")
    values: dict[str, Any] = {}
    origins: _Origins = {}
    for variable, name in VARIABLES.items():
        if variable in environment:
            values[name], origins[name] = environment[variable], variable
    single = environment.get(_SINGLE_KEY_VARIABLE)
    if single is not None:
        if values.setdefault("model_keys", single) != single:
            raise SettingsError(f"{_SINGLE_KEY_VARIABLE} and {PREFIX}MODEL_KEYS differ; set one.")
        origins["model_keys"] = _SINGLE_KEY_VARIABLE
    return _with_lists(values), origins


def _from_flags(flags: Mapping[str, object]) -> tuple[dict[str, Any], _Origins]:
    origins = {name: "--" + name.removeprefix("server_").replace("_", "-") for name in flags}
    return _with_lists(dict(flags)), origins


def _with_lists(values: dict[str, Any]) -> dict[str, Any]:
    for name in _LISTS:
        listed = values.get(name)
        if isinstance(listed, str):
            values[name] = tuple(each.strip() for each in listed.split(",") if each.strip())
    return values


def _validated(values: dict[str, Any], origins: _Origins) -> Settings:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(error, origins))) from None
    configured = [model.key for model in settings.models]
    check_names(
        settings.model_keys or (), configured, f"{origins.get('model_keys')}: no model is called"
    )
    return settings


def _explained(error: ValidationError, origins: _Origins) -> Iterable[str]:
    for problem in error.errors(include_url=False):
        name, *inner = [str(part) for part in problem["loc"]] or [_WHOLE]
        where = ".".join([origins.get(name, name), *inner])
        yield f"{where}: {problem['msg']} (got {problem['input']!r})."


def check_names(given: Iterable[str], known: Iterable[str], complaint: str) -> None:
    """See to it that names are known.

    Args:
        given: names as they were written.
        known: all there are, at least one.
        complaint: what the error begins with.

    Raises:
        SettingsError: one is not; the text has its new name, or the nearest known one.
    """
    names = list(known)
    for name in given:
        if name not in names:
            renamed = _new_name(name)
            if renamed in names:
                raise SettingsError(f"{complaint} {name!r}; it is called {renamed!r} now.")
            nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{complaint} {name!r}; did you mean {nearest!r}?")


def _new_name(name: str) -> str | None:
    """What a setting or its variable is called now, where it had another name."""
    if name.startswith(PREFIX):
        renamed = _RENAMED.get(name.removeprefix(PREFIX).lower())
        return renamed and PREFIX + renamed.upper()
    return _RENAMED.get(name)
