"""What can be set of the gateway: flags over ``AUDIO_SCORE_GATE_*`` variables over defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from audio_score_server.errors import SettingsError
from audio_score_server.gateway.gpus import parse_gpus
from audio_score_server.settings.load import GATE_PREFIX, check_names, given

RENAMED: Final = {"client_max_body": "client_max_body_size", "grace": "shutdown_timeout"}
"""Old name to new name; the old ones are errors that name the new ones."""
_SIZE: Final = re.compile(r"(\d+)([km]?)", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2}


def _parse_size(size: object) -> object:
    """``25m`` in bytes; what is no size is left for validation to reject."""
    match = _SIZE.fullmatch(str(size).strip())
    return int(match[1]) * _UNITS[match[2].lower()] if match else size


def _check_gpus(text: str) -> str:
    parse_gpus(text)
    return text


class GatewaySettings(BaseModel):
    """Everything that can be set of the supervisor; immutable."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="How many servers to run."
    )
    listen_host: str = Field(default="127.0.0.1", description="Address to listen on.")
    listen_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=9000, description="Port to listen on; 0 takes a free one."
    )
    config: Path | None = Field(
        default=None, description="Settings file of the workers (`config.json`)."
    )
    model_keys: str | None = Field(
        default=None,
        description="Keys of the models to load, comma separated; as the workers' settings say "
        "where unset.",
    )
    worker_log_level: Literal["debug", "info", "warning", "error", "critical"] | None = Field(
        default=None,
        description="Least severe messages that workers log; as their settings say where unset.",
    )
    client_max_body_size: Annotated[int, BeforeValidator(_parse_size)] | None = Field(
        default=None,
        description="Largest request body that Nginx takes (`25m`); `max_upload_bytes` and 1 MiB "
        "where unset.",
    )
    gpus: Annotated[str, AfterValidator(_check_gpus)] = Field(
        default="auto",
        description="GPUs to spread the workers over: `auto` (all of them), `none`, or `0,1`.",
    )
    run_dir: Path = Field(
        default=Path("run"), description="Folder of sockets; one supervisor each."
    )
    log_dir: Path = Field(
        default=Path("logs"), description="Folder of Nginx' logs and of uploads in transit."
    )
    nginx: str = Field(default="nginx", min_length=1, description="Nginx' program.")
    startup_timeout: Annotated[float, Field(gt=0)] = Field(
        default=600.0,
        description="Seconds until a worker must be ready, building the cache included.",
    )
    shutdown_timeout: Annotated[float, Field(ge=0)] = Field(
        default=20.0, description="Seconds that requests may go on after a signal to stop."
    )
    health_timeout: Annotated[float, Field(ge=1)] = Field(
        default=10.0,
        description="Seconds after which a process that answers no health check is replaced.",
    )
    tls_certificate: Path | None = Field(
        default=None, description="Certificate chain (PEM), to serve HTTPS."
    )
    tls_key: Path | None = Field(default=None, description="The certificate's key (PEM).")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are needed both, or neither")
        return self


def flag_of(name: str) -> str:
    """The flag of a setting."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return GATE_PREFIX + name.upper()


def load_gateway_settings(
    flags: Mapping[str, object], environment: Mapping[str, str]
) -> GatewaySettings:
    """Settings by rising precedence: defaults, variables, flags.

    Args:
        flags: by the name of the setting; None means not given.
        environment: usually ``os.environ``; empty variables count as unset.

    Raises:
        SettingsError: one is misspelt, renamed or wrong; the text names source, cause and right
            name.
    """
    names = {variable_of(name): name for name in (*GatewaySettings.model_fields, *RENAMED)}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for variable, value in given(environment).items():
        if variable.startswith(GATE_PREFIX):
            if variable not in names:
                known = map(variable_of, GatewaySettings.model_fields)
                check_names([variable], known, "unknown environment variable")
            name = names[variable]
            _check_current(name, variable_of)
            values[name], origins[name] = value, variable
    for name, flag in flags.items():
        if flag is not None:
            _check_current(name, flag_of)
            values[name], origins[name] = flag, flag_of(name)
    try:
        return GatewaySettings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error, origins))) from None


def _check_current(name: str, written: Callable[[str], str]) -> None:
    if name in RENAMED:
        raise SettingsError(f"{written(name)} is now called {written(RENAMED[name])}.")


def _explain(error: ValidationError, origins: Mapping[str, str]) -> Iterable[str]:
    for problem in error.errors(include_url=False):
        if not problem["loc"]:
            yield f"--tls-certificate, --tls-key: {problem['msg']}."
            continue
        name = str(problem["loc"][0])
        yield f"{origins.get(name, name)}: {problem['msg']} (got {problem['input']!r})."
