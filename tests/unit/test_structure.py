"""What keeps the package legible: one name for one class, small modules, short functions."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import audio_score_server

_ROOT = Path(audio_score_server.__file__).parent
_LONGEST_MODULE = 300
_LONGEST_FUNCTION = 50


def _modules() -> Iterator[tuple[Path, str]]:
    for path in sorted(_ROOT.rglob("*.py")):
        yield path, path.read_text(encoding="utf-8")


def test_no_class_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for path, text in _modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(_ROOT)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_module_is_long() -> None:
    lengths = {path.relative_to(_ROOT): len(text.splitlines()) for path, text in _modules()}
    assert {path: count for path, count in lengths.items() if count > _LONGEST_MODULE} == {}


def test_no_function_is_long() -> None:
    long = [
        f"{path.relative_to(_ROOT)}:{node.lineno} {node.name}"
        for path, text in _modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= _LONGEST_FUNCTION
    ]
    assert long == []
