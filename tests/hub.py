"""A model hub on this machine: the part of the real one's protocol that fetching checkpoints uses.

The hub's client reads the address at import, so it is used from processes of their own:

    with FakeHub() as hub:
        hub.add("owner/name", {"config.json": b"{}", "model.safetensors": b"..."})
        subprocess.run([...], env=clean_environment(hub.variables(tmp_path)))

Weights are behind a redirect to another host name, as content networks are, with the headers of
xet storage; everything else comes from the hub itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

_INFO: Final = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)(?:/revision/(?P<revision>[^/]+))?")
_TREE: Final = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)/tree/(?P<revision>[^/]+)")
_FILE: Final = re.compile(r"/(?P<id>[^/]+(?:/[^/]+)?)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_CONTENT: Final = re.compile(r"/content/(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True)
class File:
    """A file of a repository."""

    content: bytes
    heavy: bool
    claimed_size: int | None = None

    @cached_property
    def git_sha1(self) -> str:
        """What git calls the content."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @cached_property
    def sha256(self) -> str:
        """What large storage calls the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def size(self) -> int:
        """Bytes; not the truth where another number is claimed."""
        return len(self.content) if self.claimed_size is None else self.claimed_size

    def listed(self) -> dict[str, Any]:
        """What a listing says of it."""
        large = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
        return {"oid": self.git_sha1, "size": self.size} | ({"lfs": large} if self.heavy else {})


@dataclass
class Repository:
    """Files of one commit, who may have them, and whether their storage is xet as well."""

    files: dict[str, File]
    revisions: tuple[str, ...] = ("main",)
    gated: bool = False
    token: str | None = None
    xet: bool = True

    @property
    def commit(self) -> str:
        """Changes with the files."""
        listing = {name: file.sha256 for name, file in self.files.items()}
        return hashlib.sha1(json.dumps(listing, sort_keys=True).encode()).hexdigest()


@dataclass
class Faults:
    """What goes wrong.

    Attributes:
        status: every answer's, where it is set, to addresses that have ``status_for`` in them;
            with the advice to come again in an hour.
        cut_at: bytes after which a connection that sends weights is closed, once.
        cut_by_reset: with a reset rather than an end.
        corrupt: weights that are sent are of the right size and wrong.
        stall: no answers, or none of weights ("content"), until the hub closes.
    """

    status: int | None = None
    status_for: str = ""
    cut_at: int | None = None
    cut_by_reset: bool = False
    corrupt: bool = False
    stall: str = ""


@dataclass
class Request:
    """One request as it came; names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that are gone are nothing to tell."""


class FakeHub:
    """The hub; a context manager that serves while it is open."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        handler = type("_Bound", (_Handler,), {"hub": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def add(
        self,
        model_id: str,
        files: Mapping[str, bytes],
        *,
        claimed_sizes: Mapping[str, int] | None = None,
        **about: Any,
    ) -> Repository:
        """Give it a repository; ``about`` are fields of ``Repository``."""
        claimed = claimed_sizes or {}
        made = {
            name: File(content, name.endswith((".safetensors", ".bin")), claimed.get(name))
            for name, content in files.items()
        }
        self.repositories[model_id] = Repository(made, **about)
        return self.repositories[model_id]

    def variables(self, home: Path) -> dict[str, str]:
        """The environment in which a process finds this hub, and its cache under ``home``."""
        return {
            "HF_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "*",
        }

    def fetched(self) -> list[str]:
        """Names of the files whose content was asked for, in order, since the last ``forget``."""
        found = [
            _FILE.fullmatch(request.path) for request in self.requests if request.method == "GET"
        ]
        return [match["name"] for match in found if match]

    def forget(self) -> None:
        """Drop what has been noted."""
        self.requests.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.command, path, headers))
        faults = self.hub.faults
        if faults.stall == "all" or (faults.stall == "content" and path.startswith("/content/")):
            self.hub.closing.wait()
            self.close_connection = True
        elif faults.status is not None and faults.status_for in path:
            self._send(faults.status, headers={"Retry-After": "3600"})
        elif match := _CONTENT.fullmatch(path):
            self._send_content(match["sha256"])
        else:
            self._route(path)

    def _route(self, path: str) -> None:
        for pattern, answer in ((_TREE, self._tree), (_INFO, self._info), (_FILE, self._file)):
            if match := pattern.fullmatch(path):
                parts = match.groupdict()
                repository = self._allowed(parts["id"], parts.get("revision"), pattern is _FILE)
                if repository is not None:
                    answer(repository, parts)
                return
        self._send(404)

    def _allowed(self, model_id: str, revision: str | None, file: bool) -> Repository | None:
        """The repository, unless it is refused."""
        repository = self.hub.repositories.get(model_id)
        given = self.headers.get("Authorization")
        if repository is None or (repository.token and given is None):
            self._refuse(401, "RepoNotFound")
        elif repository.token and given != f"Bearer {repository.token}":
            self._refuse(401, None, "Invalid credentials in Authorization header")
        elif revision not in (None, repository.commit, *repository.revisions):
            self._refuse(404, "RevisionNotFound")
        elif file and repository.gated:
            self._refuse(403, "GatedRepo")
        else:
            return repository
        return None

    def _info(self, repository: Repository, parts: dict[str, str]) -> None:
        detailed = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = []
        for name, file in repository.files.items():
            listed = file.listed()
            about = {"size": listed["size"], "blobId": listed["oid"]}
            if "lfs" in listed:
                about["lfs"] = {"size": file.size, "sha256": file.sha256, "pointerSize": 134}
            siblings.append({"rfilename": name} | (about if detailed else {}))
        self._send_json({"id": parts["id"], "sha": repository.commit, "siblings": siblings})

    def _tree(self, repository: Repository, parts: dict[str, str]) -> None:
        files = repository.files.items()
        self._send_json([{"type": "file", "path": name, **file.listed()} for name, file in files])

    def _file(self, repository: Repository, parts: dict[str, str]) -> None:
        file = repository.files.get(parts["name"])
        commit = {"X-Repo-Commit": repository.commit}
        if file is None:
            self._refuse(404, "EntryNotFound", headers=commit)
        elif file.heavy:
            xet = self._xet(file, parts["id"]) if repository.xet else {}
            self._redirect(file, {**commit, **xet})
        else:
            self._send(200, file.content, {**commit, "ETag": f'"{file.git_sha1}"'})

    def _redirect(self, file: File, headers: Mapping[str, str]) -> None:
        place = f"http://localhost:{self.hub.port}/content/{file.sha256}?Signature=secret"
        about = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        self._send(302, headers={"Location": place, **about, **headers})

    def _xet(self, file: File, model_id: str) -> dict[str, str]:
        route = f"http://127.0.0.1:{self.hub.port}/api/models/{model_id}/xet-read-token/main"
        return {"X-Xet-Hash": file.sha256, "Link": f'<{route}>; rel="xet-auth"'}

    def _send_content(self, sha256: str) -> None:
        repositories = self.hub.repositories.values()
        files = (file for repository in repositories for file in repository.files.values())
        content = next(file.content for file in files if file.sha256 == sha256)
        if self.hub.faults.corrupt:
            content = bytes([content[0] ^ 1]) + content[1:]
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start is None:
            self._send(200, content)
            return
        offset = int(start[1])
        span = {"Content-Range": f"bytes {offset}-{len(content) - 1}/{len(content)}"}
        self._send(206, content[offset:], span)

    def _refuse(
        self,
        status: int,
        code: str | None,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        named = {"X-Error-Code": code, "X-Error-Message": message}
        self._send(status, headers={**(headers or {}), **{k: v for k, v in named.items() if v}})

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        faults = self.hub.faults
        if faults.cut_at is not None and self.path.startswith("/content/"):
            self._cut(body[: faults.cut_at])
        else:
            self.wfile.write(body)

    def _cut(self, part: bytes) -> None:
        self.hub.faults.cut_at = None
        self.wfile.write(part)
        self.wfile.flush()
        if self.hub.faults.cut_by_reset:
            # Closing with this option drops what is unsent and resets the connection.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())
        self.close_connection = True
