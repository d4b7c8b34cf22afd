"""What settings come to: Nginx' configuration, and what workers are made of."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from audio_score_server.access import ApiKeys
from audio_score_server.gateway import checks, nginx
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.fleet import Crew
from audio_score_server.gateway.front import Admits
from audio_score_server.gateway.gpus import VISIBLE, assignments, present_gpus
from audio_score_server.gateway.machine import Limits
from audio_score_server.gateway.rundir import RunDir
from audio_score_server.gateway.settings import GatewaySettings
from audio_score_server.gateway.workers import Share, threads_of
from audio_score_server.settings import Settings

_SLACK_BYTES: Final = 1024**2
_WORKER_SLACK_S: Final = 8.0
"""More than a worker's grace: it ends by itself unless it hangs."""
_MOST_PROCESSES: Final = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What a launcher was asked for.

    Attributes:
        gate: its settings.
        read: reads the workers' settings; raises ``SettingsError`` where they are wrong.
        flags: of the workers, without the dashes.
        environment: of the launcher.
    """

    gate: GatewaySettings
    read: Callable[[], Settings]
    flags: Mapping[str, str | None]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Design:
    """What follows from the plan and the workers' settings.

    Attributes:
        config: of Nginx.
        crew: what workers are made of.
        admits: who may read the metrics.
    """

    config: str
    crew: Crew
    admits: Admits


def design(
    plan: Plan, settings: Settings, rundir: RunDir, program: checks.NginxProgram, listen: str
) -> Design:
    """Work it out.

    Args:
        plan: what was asked for.
        settings: the workers'.
        rundir: of this run.
        program: Nginx.
        listen: address and port.

    Raises:
        GatewayError: settings contradict each other, or a GPU is missing.
        SettingsError: the API keys cannot be read.
    """
    site = _site(plan.gate, settings, str(rundir.path / nginx.PID), program, listen)
    return Design(nginx.configuration(site), _crew(plan, settings), _admission(settings))


def _site(
    gate: GatewaySettings, settings: Settings, pid: str, program: checks.NginxProgram, listen: str
) -> nginx.Site:
    return nginx.Site(
        listen=listen,
        pid=pid,
        workers=gate.workers,
        max_body=_max_body(gate, settings),
        max_upload=settings.max_upload_bytes,
        request_s=settings.request_timeout_s,
        silence_s=gate.health_timeout,
        grace_s=gate.grace,
        per_minute=settings.rate_limit_per_minute,
        keyed=settings.api_keys_file is not None,
        tls=gate.tls_key is not None,
        # Otherwise Nginx, started by root, gives its workers to nobody, who may not enter.
        user=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
        processes=min(_MOST_PROCESSES, max(1, _cores() // 4)),
        files=checks.open_files(),
        lacks=program.lacks,
    )


def _max_body(gate: GatewaySettings, settings: Settings) -> int:
    largest = settings.max_upload_bytes
    asked = gate.client_max_body
    if asked is not None and asked < largest:
        raise GatewayError(
            f"--client-max-body: {asked:,} bytes are less than the {largest:,} of "
            "max_upload_bytes, which then means nothing. Raise the one or lower the other."
        )
    return largest + _SLACK_BYTES if asked is None else asked


def _crew(plan: Plan, settings: Settings) -> Crew:
    gate, environment = plan.gate, plan.environment
    present = present_gpus(environment)
    gpus = assignments(gate.gpus, gate.workers, environment.get(VISIBLE), present)
    shares = [
        Share(gpu, threads if settings.cpu_threads is None else None)
        for gpu, threads in zip(gpus, threads_of(_cores(), gate.workers), strict=True)
    ]
    limits = Limits(
        startup_s=gate.startup_timeout,
        silence_s=gate.health_timeout,
        stop_s=settings.grace_s + _WORKER_SLACK_S,
    )
    return Crew(tuple(shares), plan.flags, environment, limits, settings.log_format)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _admission(settings: Settings) -> Admits:
    """Who may ask for scores may read the metrics."""
    if settings.api_keys_file is None:
        return lambda _: True
    return ApiKeys.load(settings.api_keys_file).admits
