"""Nginx' configuration, rendered from ``nginx.conf.j2``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import jinja2

from audio_score_server.paths import CLIPS_PREFIX, SCORE_PATHS, TRANSCRIPTION_PATHS

CONFIG: Final = "nginx.conf"
PID: Final = "nginx.pid"
NGINX_SOCKET: Final = "nginx.sock"
"""On which Nginx itself answers health checks."""
ADMIN_SOCKET: Final = "gateway.sock"
CERTIFICATE: Final = "tls-certificate.pem"
KEY: Final = "tls-key.pem"
ERROR_LOG: Final = "nginx-error.log"
OPTIONAL_MODULES: Final = ("fastcgi", "uwsgi", "scgi")
"""Modules that a build of Nginx may lack, and that want a folder where they are."""
TEMP_DIRS: Final = (
    *("client_body_temp", "proxy_temp"),
    *(f"{module}_temp" for module in OPTIONAL_MODULES),
)
"""Folders below the log directory."""

BODY_OVERHEAD_BYTES: Final = 2**20
"""What Nginx takes beyond a server's own limit, whose answer tells it then."""
_TEMPLATE: Final = Path(__file__).with_name("nginx.conf.j2")


@dataclass(frozen=True, slots=True)
class NginxConfig:
    """What the configuration depends on.

    Attributes:
        listen: address and port.
        pid_path: of the file for its process number.
        workers: how many servers.
        max_body_bytes: largest request body that is passed on.
        max_upload_bytes: largest that a server takes.
        request_timeout_s: longest time that a server takes for a request.
        max_transcription_bytes: as ``max_upload_bytes``, of a recording to transcribe.
        max_clip_bytes: as ``max_upload_bytes``, of a clip.
        transcription_timeout_s: as ``request_timeout_s``, of a transcription.
        health_timeout_s: after which a server that does not answer is replaced.
        shutdown_timeout_s: how long requests may go on after a request to stop.
        rate_limit_per_minute: scores that a client may ask for; 0 for any number.
        has_api_keys: whether clients are told apart by their keys; by their addresses otherwise.
        tls: whether there are a certificate and a key.
        user: whom its processes belong to, where the supervisor is root; None otherwise.
        nginx_processes: how many of its own.
        max_open_files: of each of them.
        missing_modules: of ``OPTIONAL_MODULES``, what this build is without.
    """

    listen: str
    pid_path: str
    workers: int
    max_body_bytes: int
    max_upload_bytes: int
    request_timeout_s: float
    max_transcription_bytes: int
    max_clip_bytes: int
    transcription_timeout_s: float
    health_timeout_s: float
    shutdown_timeout_s: float
    rate_limit_per_minute: int = 0
    has_api_keys: bool = False
    tls: bool = False
    user: str | None = None
    nginx_processes: int = 1
    max_open_files: int = 1024
    missing_modules: Sequence[str] = ()


def worker_socket(index: int) -> str:
    """Name in the run directory of the socket on which Nginx reaches a worker."""
    return f"worker-{index}.sock"


def quote(word: str) -> str:
    r"""A word of the configuration whatever is in it; ``$`` stays what it is to each directive.

    >>> quote('a "b"')
    '"a \\"b\\""'
    """
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render(config: NginxConfig) -> str:
    """The whole file."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quote"] = quote
    environment.filters["milliseconds"] = _milliseconds
    environment.filters["compact_json"] = _compact_json
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    temp_dirs = [
        name for name in TEMP_DIRS if name.removesuffix("_temp") not in config.missing_modules
    ]
    return template.render(
        asdict(config),
        temp_dirs=temp_dirs,
        score_paths=SCORE_PATHS,
        transcription_paths=TRANSCRIPTION_PATHS,
        clips_prefix=CLIPS_PREFIX,
        body_overhead_bytes=BODY_OVERHEAD_BYTES,
    )


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(1000 * seconds))}ms"


def _compact_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
