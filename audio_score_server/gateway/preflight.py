"""What can be known to go wrong is looked at before anything is started."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.gateway import nginx
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.rundir import RunDir

OLDEST: Final = (1, 19, 5)
"""The first Nginx that can be told, with ``-e``, not to touch the system's own error log."""
_VERSION: Final = re.compile(r"version: \S+?/(\d+)\.(\d+)\.(\d+)")
_LACKS: Final = re.compile(r"--without-http_(\w+)_module")
_SBIN: Final = ("/usr/sbin", "/usr/local/sbin")
"""Where distributions put it, out of the path of ordinary users."""
_CHECK_S: Final = 30.0
_FEW_FILES: Final = 1024
_MANY_FILES: Final = 16_384
_BACKLOG: Final = 2048


@dataclass(frozen=True, slots=True)
class NginxProgram:
    """An Nginx that will do.

    Attributes:
        path: of its program.
        version: in numbers and dots.
        lacks: modules that this build is without.
    """

    path: str
    version: str
    lacks: tuple[str, ...]


def find_nginx(name: str, environment: Mapping[str, str]) -> NginxProgram:
    """Find Nginx and look at its version.

    Raises:
        GatewayError: it is missing, too old, or does not run.
    """
    remedy = "Install it (on Debian: apt-get install nginx-light), or name it with --nginx."
    folders = [environment.get("PATH", os.defpath), *_SBIN]
    path = shutil.which(name, path=os.pathsep.join(folders))
    if path is None:
        raise GatewayError(f"There is no program {name!r}. {remedy}")
    try:
        told = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=_CHECK_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GatewayError(f"{path} does not run: {error}. {remedy}") from None
    version = _VERSION.search(told.stderr)
    if told.returncode != 0 or version is None:
        raise GatewayError(f"{path} is no Nginx: it tells no version. {remedy}")
    numbers = tuple(map(int, version.groups()))
    have, need = (".".join(map(str, each)) for each in (numbers, OLDEST))
    if numbers < OLDEST:
        raise GatewayError(f"{path} is Nginx {have}, at least {need} is needed. {remedy}")
    lacks = set(_LACKS.findall(told.stderr)) & set(nginx.OPTIONAL)
    return NginxProgram(path, have, tuple(sorted(lacks)))


def bound(host: str, port: int) -> socket.socket:
    """A socket that Nginx will inherit, bound and not yet listening.

    The port belongs to the launcher: while Nginx is replaced clients wait, and are not refused.

    Raises:
        GatewayError: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise GatewayError(
            f"Cannot listen on {host}, port {port}: {reason}. Stop what is there, or name another "
            "place with --listen-port or --listen-host."
        ) from None
    return listening


def listen(listening: socket.socket) -> None:
    """Let clients in.

    Raises:
        GatewayError: somebody else has done so first.
    """
    try:
        listening.listen(_BACKLOG)
    except OSError as error:
        raise GatewayError(
            f"Cannot listen on {place_of(listening)}: {error.strerror}. Stop what is there, or "
            "name another place with --listen-port."
        ) from None


def place_of(listening: socket.socket) -> str:
    """Address and port as Nginx and URLs write them."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_files() -> int:
    """How many files Nginx may be allowed to open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return _MANY_FILES
    return min(_MANY_FILES, max(_FEW_FILES, most))


def link_certificate(rundir: RunDir, certificate: Path, key: Path) -> None:
    """Give certificate and key plain names in the run directory.

    Raises:
        GatewayError: one of them cannot be read.
    """
    for path, flag, name in (
        (certificate, "--tls-certificate", nginx.CERTIFICATE),
        (key, "--tls-key", nginx.KEY),
    ):
        try:
            path.open("rb").close()
        except OSError as error:
            raise GatewayError(
                f"{flag} {path} cannot be read: {error.strerror}. Name a PEM file that this user "
                "may read."
            ) from None
        (rundir.path / name).symlink_to(path.absolute())


def nginx_command(program: NginxProgram, rundir: RunDir, config: str = nginx.CONFIG) -> list[str]:
    """The command that runs Nginx; to be run in the run directory."""
    return [
        *(program.path, "-p", f"{rundir.logs}/", "-c", str(rundir.path / config)),
        *("-e", str(rundir.logs / nginx.ERROR_LOG)),
    ]


def check_configuration(program: NginxProgram, rundir: RunDir, text: str) -> None:
    """Put a configuration in place that Nginx has found to be right.

    Raises:
        GatewayError: it is wrong; the one in place stays.
        OSError: it cannot be written; the one in place stays.
    """
    new = f"{nginx.CONFIG}.new"
    (rundir.path / new).write_text(text, encoding="utf-8")
    told = subprocess.run(
        [*nginx_command(program, rundir, new), "-t", "-q"],
        cwd=rundir.path,
        env={name: value for name, value in os.environ.items() if name != "NGINX"},
        capture_output=True,
        text=True,
        timeout=_CHECK_S,
        check=False,
    )
    if told.returncode != 0:
        complaints = [line for line in told.stderr.splitlines() if "[emerg]" in line]
        reason = (complaints or told.stderr.splitlines() or ["it does not say why"])[0]
        raise GatewayError(
            f"Nginx does not take its configuration: {reason.removeprefix('nginx: ')}. Look at the "
            "file or folder that it names."
        )
    os.replace(rundir.path / new, rundir.path / nginx.CONFIG)
