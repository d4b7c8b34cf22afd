"""Files on their way to the server: read again whenever a request is sent again."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

Audio: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""A recording: its path, its bytes, or a file opened for reading bytes, which can seek."""
OnProgress: TypeAlias = Callable[[int, int], object]
"""Told how many bytes have been sent, of how many; from 0 again when a request is sent again."""
_NAMELESS: Final = "recording"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be sent.

    Attributes:
        field: of the form.
        name: the file's, for the server.
        source: a path, bytes, or a file that can seek.
        start: from where a file is read: where it was when it was handed over.
    """

    field: str
    name: str
    source: Path | bytes | BinaryIO
    start: int = 0

    @classmethod
    def of(cls, field: str, audio: Audio, name: str | None = None) -> Upload:
        """A file as it was handed over.

        Args:
            field: of the form.
            audio: the file.
            name: what the server is told it is called; its own name where left out.

        Raises:
            TypeError: it is no path, no bytes and no file of bytes.
            ValueError: the file cannot seek, so could not be sent again.
        """
        if isinstance(audio, bytes | bytearray | memoryview):
            return cls(field, name or _NAMELESS, bytes(audio))
        if isinstance(audio, str | os.PathLike):
            path = Path(audio)
            return cls(field, name or path.name, path)
        if isinstance(audio, io.TextIOBase) or not hasattr(audio, "read"):
            raise TypeError(
                f"{audio!r} is no recording; give a path, bytes, or a file opened 'rb'."
            )
        if not audio.seekable():
            raise ValueError(
                "The file cannot seek, so it could not be sent again; read it and give its bytes."
            )
        own = getattr(audio, "name", None)
        told = name or (Path(own).name if isinstance(own, str) else "") or _NAMELESS
        return cls(field, told, audio, audio.tell())

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file at its beginning; one that was handed over open stays open."""
        if isinstance(self.source, bytes):
            yield io.BytesIO(self.source)
        elif isinstance(self.source, Path):
            with self.source.open("rb") as file:
                yield file
        else:
            self.source.seek(self.start)
            yield self.source


class Reader:
    """The part of a file that is sent, as httpx reads files; tells how far it is."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None]) -> None:
        """Read ``file`` from where it is; ``told``: how many bytes more have been read."""
        self._file = file
        self._start = file.tell()
        self._told = told
        self._at = 0
        # What is written behind this from now on would not fit into the length that was announced.
        self.size = file.seek(0, os.SEEK_END) - self._start
        file.seek(self._start)

    def read(self, count: int = -1) -> bytes:
        """The next bytes; none at the end."""
        left = self.size - self._at
        data = self._file.read(left if count < 0 else min(count, left))
        self._at += len(data)
        self._told(len(data))
        return data

    def tell(self) -> int:
        """How many bytes have been read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, counted from where reading began."""
        self._at = self.size + offset if whence == os.SEEK_END else offset
        self._file.seek(self._start + self._at)
        return self._at


def readers(
    uploads: Sequence[Upload], on_progress: OnProgress | None, stack: ExitStack
) -> list[Reader]:
    """All files of a request, opened.

    Args:
        uploads: the files.
        on_progress: told of all of them together.
        stack: closes them.

    Raises:
        OSError: one cannot be opened.
    """
    sent = 0

    def told(count: int) -> None:
        nonlocal sent
        sent += count
        if count and on_progress is not None:
            on_progress(sent, total)

    found = [Reader(stack.enter_context(each.opened()), told) for each in uploads]
    total = sum(each.size for each in found)
    return found
