"""Nginx: found, its configuration checked by itself, and how it is run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audio_score_server.gateway import nginx_config
from audio_score_server.gateway.child import ProcessSpec
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.run_dir import RunDir

MIN_NGINX: Final = (1, 19, 5)
"""The first with ``-e``, which keeps Nginx from touching the system's own error log."""
_VERSION: Final = re.compile(r"version: \S+?/(\d+)\.(\d+)\.(\d+)")
_MISSING_MODULE: Final = re.compile(r"--without-http_(\w+)_module")
_SBIN: Final = ("/usr/sbin", "/usr/local/sbin")
"""Where distributions put it, out of the path of ordinary users."""
_CHECK_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class NginxBinary:
    """An Nginx that is fit for use.

    Attributes:
        path: of its program.
        version: in numbers and dots.
        missing_modules: optional ones that this build is without.
    """

    path: str
    version: str
    missing_modules: tuple[str, ...]

    def command(self, run_dir: RunDir, config: str = nginx_config.CONFIG) -> list[str]:
        """The command that runs it; to be run in the run directory."""
        return [
            *(self.path, "-p", f"{run_dir.logs}/", "-c", str(run_dir.path / config)),
            *("-e", str(run_dir.logs / nginx_config.ERROR_LOG)),
        ]


def find_nginx(name: str, environment: Mapping[str, str]) -> NginxBinary:
    """Find Nginx and check its version.

    Raises:
        GatewayError: it is missing, too old, or does not run.
    """
    remedy = "Install it (on Debian: apt-get install nginx-light), or name it with --nginx."
    folders = [environment.get("PATH", os.defpath), *_SBIN]
    path = shutil.which(name, path=os.pathsep.join(folders))
    if path is None:
        raise GatewayError(f"There is no program {name!r}. {remedy}")
    try:
        result = subprocess.run(
            [path, "-V"], capture_output=True, text=True, timeout=_CHECK_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GatewayError(f"{path} does not run: {error}. {remedy}") from None
    match = _VERSION.search(result.stderr)
    if result.returncode != 0 or match is None:
        raise GatewayError(f"{path} is no Nginx: it reports no version. {remedy}")
    numbers = tuple(map(int, match.groups()))
    version, minimum = (".".join(map(str, each)) for each in (numbers, MIN_NGINX))
    if numbers < MIN_NGINX:
        raise GatewayError(f"{path} is Nginx {version}, at least {minimum} is needed. {remedy}")
    missing = {*_MISSING_MODULE.findall(result.stderr)} & {*nginx_config.OPTIONAL_MODULES}
    return NginxBinary(path, version, tuple(sorted(missing)))


def install_config(nginx: NginxBinary, run_dir: RunDir, text: str) -> None:
    """Put a configuration in place that Nginx itself has checked.

    Raises:
        GatewayError: it is wrong; the one in place stays.
        OSError: it cannot be written; the one in place stays.
    """
    new = f"{nginx_config.CONFIG}.new"
    (run_dir.path / new).write_text(text, encoding="utf-8")
    result = subprocess.run(
        [*nginx.command(run_dir, new), "-t", "-q"],
        cwd=run_dir.path,
        env={name: value for name, value in os.environ.items() if name != "NGINX"},
        capture_output=True,
        text=True,
        timeout=_CHECK_TIMEOUT_S,
        check=False,
    )
    if result.returncode != 0:
        lines = result.stderr.splitlines()
        errors = [line for line in lines if "[emerg]" in line]
        reason = (errors or lines or ["it does not say why"])[0]
        raise GatewayError(
            f"Nginx does not take its configuration: {reason.removeprefix('nginx: ')}. Look at the "
            "file or folder that it names."
        )
    os.replace(run_dir.path / new, run_dir.path / nginx_config.CONFIG)


def nginx_spec(
    nginx: NginxBinary, run_dir: RunDir, listener_fd: int, environment: Mapping[str, str]
) -> ProcessSpec:
    """How Nginx is started.

    Args:
        nginx: the program.
        run_dir: with its configuration.
        listener_fd: file descriptor of the socket that it listens on.
        environment: the supervisor's own.
    """
    # Nginx leaves its own behind when it is killed, and will not start where one is.
    (run_dir.path / nginx_config.NGINX_SOCKET).unlink(missing_ok=True)
    return ProcessSpec(
        name="nginx",
        command=nginx.command(run_dir),
        # By this variable Nginx learns, as from its own predecessor when it is upgraded, which
        # listening sockets it inherits.
        environment={**environment, "NGINX": f"{listener_fd};"},
        working_dir=run_dir.path,
        inherited_fds=(listener_fd,),
        # On this signal its own workers end with it; by SIGKILL they would be orphaned.
        death_signal=signal.SIGTERM,
        stop_signal=signal.SIGQUIT,
    )
