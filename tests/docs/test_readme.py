"""README.md: its commands run, its tables are the code's."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from fastapi import FastAPI
from pydantic.fields import FieldInfo

from audio_score_server.assembly import build_service
from audio_score_server.cli import FLAGS
from audio_score_server.settings import ModelSettings, PhonesSettings, Settings
from audio_score_server.settings.load import VARIABLES
from audio_score_server.web.app import create_app
from audio_score_server.web.error_cases import ERROR_CASES
from tests.process.server import ROOT, ServerProcess

README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    section = README.split(f"{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def _default(name: str) -> str:
    value = Settings.model_fields[name].get_default()
    if value in (None, ()) or name == "models":
        return "-"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_the_settings_table_is_the_settings() -> None:
    variables = {name: f"`{variable}`" for variable, name in VARIABLES.items()}
    expected = [
        [f"`{name}`", variables.get(name, "-"), _default(name), field.description]
        for name, field in Settings.model_fields.items()
    ]
    table = "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in expected)
    assert _rows("## Settings") == expected, f"the table should be:\n{table}"


def test_the_flags_are_the_command_lines() -> None:
    line = ", ".join(f"`{flag}`" for flag in ("--config", *FLAGS))
    assert f"Flags: {line};" in README


def _model_rows() -> Iterator[list[str]]:
    """Type, setting, default and description; the type's own words in its first row."""
    for cls in get_args(get_args(ModelSettings)[0]):
        (kind,) = get_args(cls.model_fields["type"].annotation)
        yield [f"`{kind}`", "", "", cls.__doc__]
        for name, field in cls.model_fields.items():
            if name not in ("key", "type", "only_on"):
                yield ["", f"`{name}`", _model_default(field), field.description]


def _model_default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    if field.default is None:
        return "-"
    return f"`{field.default}`" if len(str(field.default)) < 40 else "see `settings/model.py`"


def test_the_models_table_is_the_models_settings() -> None:
    expected = list(_model_rows())
    table = "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in expected)
    assert _rows("### Models") == expected, f"the table should be:\n{table}"


def _application() -> FastAPI:
    settings = Settings(models=(PhonesSettings(key="phones", type="phones"),))
    return create_app(settings, build_service, lambda _: None)


def test_the_api_table_is_the_applications_addresses() -> None:
    paths = _application().openapi()["paths"]
    expected = [
        [f"`{method.upper()} {path}`", operation["description"]]
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    assert _rows("## API") == expected


def test_the_errors_table_is_the_applications_errors() -> None:
    expected = [[str(case.status), f"`{case.code}`", case.when] for case in ERROR_CASES]
    table = "\n".join(f"| {' | '.join(row)} |" for row in expected)
    assert _rows("### Errors") == expected, f"the table should be:\n{table}"


def _commands() -> list[str]:
    return re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)


def test_the_commands_are_the_scripts_and_one_curl() -> None:
    commands = _commands()
    assert [command for command in commands if not command.startswith("curl")] == [
        "scripts/serve",
        "scripts/download",
        "scripts/test",
    ]
    assert len(commands) == 4


def test_the_curl_gives_the_output_shown(demo: ServerProcess) -> None:
    (curl,) = (command for command in _commands() if command.startswith("curl"))
    (shown,) = re.findall(r"```json\n(.*?)\n```", README, re.DOTALL)
    here = curl.replace("http://localhost:9000", demo.url)
    result = subprocess.run(
        [*shlex.split(here), "--silent"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    answer, expected = json.loads(result.stdout), json.loads(shown)
    assert list(answer) == list(expected)
    assert answer.pop("model") == expected.pop("model")
    assert answer == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target
