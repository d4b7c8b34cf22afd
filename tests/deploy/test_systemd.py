"""The units, as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.files import UNITS, unit

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
_EXPOSURE: Final = 20
"""In tenths; 100 is a unit without any hardening."""
_ALLOWED: Final = {"NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp"}


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60
    )


def _installed(path: Path, folder: Path) -> Path:
    """The unit as it would be here, with programs that are there."""
    text = re.sub(r"/opt/audio-score/\.venv/bin/python", "/bin/true", path.read_text())
    name = path.name.replace("@.", "@1.")
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_every_line(path: Path, tmp_path: Path) -> None:
    result = _analyze("verify", "--recursive-errors=no", str(_installed(path, tmp_path)))
    told = result.stdout + result.stderr
    # Documentation is looked for as a manual where it is not a file that is there.
    assert path.name.split("@")[0].split(".")[0] not in told, told
    assert result.returncode == 0, told


def test_a_misspelt_line_would_be_told(tmp_path: Path) -> None:
    path = _installed(UNITS[0], tmp_path)
    path.write_text(path.read_text().replace("NoNewPrivileges=", "NoNewPriviliges="))
    result = _analyze("verify", "--recursive-errors=no", str(path))
    assert "NoNewPriviliges" in result.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_little_is_exposed(path: Path) -> None:
    result = _analyze("security", "--offline=yes", f"--threshold={_EXPOSURE}", str(path))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_what_would_hide_the_gpu_or_keep_code_from_being_compiled_is_left_out(path: Path) -> None:
    directives = unit(path)
    assert not {"PrivateDevices", "MemoryDenyWriteExecute", "ProcSubset"} & directives.keys()
    assert directives.keys() >= _ALLOWED
    assert "char-nvidia* rw" in directives["DeviceAllow"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_what_will_not_get_better_is_not_started_again(path: Path) -> None:
    assert unit(path)["RestartPreventExitStatus"] == ["2 3"]
    assert unit(path)["Restart"] == ["on-failure"]
