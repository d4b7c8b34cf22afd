"""Log lines for people or for machines, to standard error."""

from __future__ import annotations

import json
import logging
import logging.config
import os
import sys
from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Of the request that is being served, for the lines written meanwhile."""
_TEXT: Final = "%(asctime)s %(levelname)-8s %(message)s"
_QUIET: Final = (
    *("numba", "filelock", "asyncio", "urllib3", "python_multipart"),
    *("httpx", "httpx2", "httpcore2", "openai"),
)
"""Libraries whose debug lines nobody asked for."""


class TextFormatter(logging.Formatter):
    """One line for people, with the id of the request it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        line = super().format(record)
        return f"{line} request_id={request_id.get()}" if request_id.get() else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    Time, level, logger and message; a traceback, the request's id and further fields if there are.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        fields = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if request_id.get():
            fields["request_id"] = request_id.get()
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def configure_logs(level: str, form: str) -> None:
    """Send everything, Uvicorn's lines too, through one handler.

    A line that cannot be written, since nobody reads it or the disk is full, is lost, and that is
    all: ``logging`` sees to it.

    Args:
        level: least severe level shown.
        form: ``text`` or ``json``.
    """
    _open_streams()
    formatters = {
        "text": {"()": TextFormatter, "format": _TEXT},
        "json": {"()": JsonFormatter},
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": formatters,
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
            "root": {"handlers": ["stderr"], "level": level.upper()},
            "loggers": {
                **{name: {"level": "WARNING"} for name in _QUIET},
                # It tells of every currency that it cannot read, with a traceback.
                "gruut": {"level": "CRITICAL"},
            },
        }
    )


def _open_streams() -> None:
    """Have the standard streams lead to nowhere where whoever started the process has closed them.

    Their numbers would be given to sockets and files, and libraries write to them by number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is taken, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
