"""The studio's files as they are sent: read once, compressed once, named by what is in them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_FOLDER: Final = Path(__file__).parent
_PAGE: Final = "index.html"
_MAIN: Final = "main.js"
_IMPORT: Final = re.compile(r'^(?:import .*|\} )from "\./([\w-]+\.js)";', re.MULTILINE)
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_DIGEST_LETTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """A file for browsers.

    Attributes:
        media_type: as its header says.
        content: as it is.
        compressed: the same, by gzip.
        etag: changes with the content.
    """

    media_type: str
    content: bytes
    compressed: bytes
    etag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Self:
        """A file of that name."""
        etag = f'"{_digest(content)}"'
        compressed = gzip.compress(content, mtime=0)
        return cls(_MEDIA_TYPES[Path(name).suffix], content, compressed, etag)


@dataclass(frozen=True, slots=True)
class Studio:
    """The page and what it loads.

    Attributes:
        page: the HTML.
        assets: by their path in the folder, with slashes.
        digest: of all assets; changes when one does.
    """

    page: Asset
    assets: Mapping[str, Asset]
    digest: str

    @classmethod
    def load(cls) -> Self:
        """Read the files that ship in the package."""
        contents = {
            path.relative_to(_FOLDER).as_posix(): path.read_bytes()
            for path in sorted(_FOLDER.rglob("*"))
            if path.suffix in _MEDIA_TYPES and path.name != _PAGE
        }
        digest = _digest(b"\0".join(name.encode() + b"\0" + contents[name] for name in contents))
        assets = {name: Asset.of(name, content) for name, content in contents.items()}
        page = _page((_FOLDER / _PAGE).read_text(encoding="utf-8"), contents, digest)
        return cls(Asset.of(_PAGE, page.encode()), assets, digest)


def _page(template: str, contents: Mapping[str, bytes], digest: str) -> str:
    """The HTML, with what only the folder knows: languages, and modules to fetch beforehand."""
    base = f"studio/{digest}"
    modules = sorted(_imported(_MAIN, contents))
    preloads = "\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in modules)
    languages = {
        Path(name).stem: json.loads(content)["language.name"]
        for name, content in contents.items()
        if name.startswith("i18n/")
    }
    listed = " ".join(f"{code}={name}" for code, name in languages.items())
    return (
        template.replace("{{base}}", base)
        .replace("{{preloads}}", preloads)
        .replace("{{languages}}", listed)
    )


def _imported(module: str, contents: Mapping[str, bytes]) -> set[str]:
    """A module and all that it imports before it runs."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _IMPORT.findall(contents[name].decode())
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST_LETTERS]
