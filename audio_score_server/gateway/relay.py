"""Lines of the children, passed on to standard error with the name of whose they are.

Not to files: journald, Docker and Kubernetes collect the standard error of what they run, stamp,
rotate and ship it, and one stream keeps the order in which things happened.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO


def relay(stream: IO[bytes], name: str, form: str) -> None:
    """Pass lines on until the stream ends.

    In a thread: a terminal that is slow to read must not hold the supervision up.

    Args:
        stream: is closed then.
        name: whose lines they are.
        form: ``text`` or ``json``, as they are written.
    """
    mark = marked_json if form == "json" else marked_text
    threading.Thread(target=_pass_on, args=(stream, name, mark), daemon=True).start()


def _pass_on(stream: IO[bytes], name: str, mark: Callable[[str, str], str]) -> None:
    with stream:
        for line in stream:
            # Whoever does not read what we write must not stop those who write it.
            with suppress(OSError, ValueError):
                sys.stderr.write(mark(line.decode(errors="replace").rstrip("\n"), name) + "\n")
                sys.stderr.flush()


def marked_text(line: str, name: str) -> str:
    """The line after the name."""
    return f"{name} | {line}"


def marked_json(line: str, name: str) -> str:
    """The line's object with the name as ``process``; what is no object is made one."""
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {"level": "error", "message": line}
    return json.dumps({**fields, "process": name}, ensure_ascii=False)
