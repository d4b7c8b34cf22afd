"""What launch options and settings come to: Nginx' configuration and that of the workers."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from audio_score_server.api_keys import ApiKeys
from audio_score_server.gateway import nginx_config
from audio_score_server.gateway.admin import Authorize
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.gpus import CUDA_VISIBLE_DEVICES, assign_gpus, present_gpus
from audio_score_server.gateway.nginx import NginxBinary
from audio_score_server.gateway.nginx_config import NginxConfig
from audio_score_server.gateway.preflight import max_open_files
from audio_score_server.gateway.process_state import RestartPolicy
from audio_score_server.gateway.run_dir import RunDir
from audio_score_server.gateway.settings import GatewaySettings
from audio_score_server.gateway.worker import Resources, WorkerConfig, divide_threads
from audio_score_server.settings import Settings

_WORKER_STOP_SLACK_S: Final = 8.0
"""Beyond a worker's own limit: it exits by itself unless it hangs."""
_MAX_NGINX_PROCESSES: Final = 4


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What a supervisor was started with.

    Attributes:
        gateway: its settings.
        load_settings: reads the workers' settings; raises ``SettingsError`` where they are wrong.
        worker_flags: of the workers, without the dashes; None for not given.
        environment: of the supervisor.
    """

    gateway: GatewaySettings
    load_settings: Callable[[], Settings]
    worker_flags: Mapping[str, str | None]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """What follows from the launch options and the workers' settings.

    Attributes:
        nginx: text of Nginx' configuration.
        worker: what workers are started with.
        authorize: who may read the metrics.
    """

    nginx: str
    worker: WorkerConfig
    authorize: Authorize


def resolve(
    options: LaunchOptions, settings: Settings, run_dir: RunDir, nginx: NginxBinary, listen: str
) -> ResolvedConfig:
    """Resolve the configuration.

    Args:
        options: of the supervisor.
        settings: the workers'.
        run_dir: of this run.
        nginx: that will be run.
        listen: address and port.

    Raises:
        GatewayError: settings contradict each other, or a GPU is missing.
        SettingsError: the API keys cannot be read.
    """
    config = _nginx_config(options.gateway, settings, run_dir, nginx, listen)
    worker = _worker_config(options, settings)
    return ResolvedConfig(nginx_config.render(config), worker, _authorize(settings))


def _nginx_config(
    gateway: GatewaySettings, settings: Settings, run_dir: RunDir, nginx: NginxBinary, listen: str
) -> NginxConfig:
    return NginxConfig(
        listen=listen,
        pid_path=str(run_dir.path / nginx_config.PID),
        workers=gateway.workers,
        max_body_bytes=_max_body_bytes(gateway, settings),
        max_upload_bytes=settings.max_upload_bytes,
        request_timeout_s=settings.request_timeout_s,
        max_transcription_bytes=settings.max_transcription_bytes,
        max_clip_bytes=settings.max_clip_bytes,
        transcription_timeout_s=settings.transcription_timeout_s,
        health_timeout_s=gateway.health_timeout,
        shutdown_timeout_s=gateway.shutdown_timeout,
        rate_limit_per_minute=settings.rate_limit_per_minute,
        has_api_keys=settings.api_keys_file is not None,
        tls=gateway.tls_key is not None,
        # Otherwise Nginx, started by root, gives its workers to nobody, who may not enter.
        user=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
        nginx_processes=min(_MAX_NGINX_PROCESSES, max(1, _cores() // 4)),
        max_open_files=max_open_files(),
        missing_modules=nginx.missing_modules,
    )


def _max_body_bytes(gateway: GatewaySettings, settings: Settings) -> int:
    upload, body = settings.max_upload_bytes, gateway.client_max_body_size
    if body is not None and body < upload:
        raise GatewayError(
            f"--client-max-body-size: {body:,} bytes are less than the {upload:,} of "
            "max_upload_bytes, which then means nothing. Raise the one or lower the other."
        )
    return upload + nginx_config.BODY_OVERHEAD_BYTES if body is None else body


def _worker_config(options: LaunchOptions, settings: Settings) -> WorkerConfig:
    gateway, environment = options.gateway, options.environment
    present = present_gpus(environment)
    gpus = assign_gpus(
        gateway.gpus, gateway.workers, environment.get(CUDA_VISIBLE_DEVICES), present
    )
    resources = [
        Resources(gpu, threads if settings.cpu_threads is None else None)
        for gpu, threads in zip(gpus, divide_threads(_cores(), gateway.workers), strict=True)
    ]
    policy = RestartPolicy(
        startup_timeout_s=gateway.startup_timeout,
        health_timeout_s=gateway.health_timeout,
        stop_timeout_s=settings.shutdown_timeout_s + _WORKER_STOP_SLACK_S,
    )
    flags, log_format = options.worker_flags, settings.log_format
    return WorkerConfig(tuple(resources), flags, environment, policy, log_format)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _authorize(settings: Settings) -> Authorize:
    """Who may ask for scores may read the metrics."""
    if settings.api_keys_file is None:
        return lambda _: True
    files = (settings.api_keys_file, settings.admin_keys_file)
    keys = [ApiKeys.load(path) for path in files if path is not None]
    return lambda header: any(each.admits(header) for each in keys)
