from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from audio_score_server.telemetry.logs import configure_logs, request_id

_QUIET = (
    *("numba", "filelock", "asyncio", "urllib3", "python_multipart"),
    *("httpx", "httpx2", "httpcore2", "openai"),
)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in (*_QUIET, "gruut")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def served() -> Iterator[None]:
    """A request is being served."""
    token = request_id.set("a-b-c")
    yield
    request_id.reset(token)


def _lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    out, err = captured.readouterr()
    assert out == ""
    return err.splitlines()


def test_text_lines_show_time_level_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "text")
    logging.getLogger("audio_score_server.x").info("Hello %s.", "wörld")
    (line,) = _lines(capsys)
    assert line.endswith("Hello wörld.")
    assert " INFO " in line
    assert line[:4].isdigit()


def test_json_lines_are_an_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    log = logging.getLogger("audio_score_server.x")
    log.info("Hello %s.", "wörld")
    log.warning('several\nlines and "quotes"')
    first, second = (json.loads(line) for line in _lines(capsys))
    assert first["message"] == "Hello wörld."
    assert first["level"] == "info"
    assert first["logger"] == "audio_score_server.x"
    assert first["time"][:4].isdigit()
    assert second["message"] == 'several\nlines and "quotes"'
    assert second["level"] == "warning"


def test_json_lines_hold_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError:
        logging.getLogger("x").exception("failed")
    (line,) = _lines(capsys)
    fields = json.loads(line)
    assert fields["message"] == "failed"
    assert "ZeroDivisionError: by nothing" in fields["traceback"]


def test_json_lines_without_an_error_hold_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    logging.getLogger("x").info("fine")
    (line,) = _lines(capsys)
    assert "traceback" not in json.loads(line)


@pytest.mark.parametrize("form", ["text", "json"])
def test_names_that_are_not_utf_8_do_not_stop_the_line(
    form: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Standard error as a process has it; pytest's own is stricter.
    with open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        configure_logs("info", form)
        logging.getLogger("x").info("Skipped %s", "caf\udce9")
        stderr.flush()
    assert "Skipped caf" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("level", "shown"),
    [("debug", "diwec"), ("info", "iwec"), ("warning", "wec"), ("error", "ec"), ("critical", "c")],
)
def test_less_severe_lines_are_left_out(
    level: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(level, "text")
    log = logging.getLogger("audio_score_server.x")
    for method, message in (
        (log.debug, "d"),
        (log.info, "i"),
        (log.warning, "w"),
        (log.error, "e"),
        (log.critical, "c"),
    ):
        method(message)
    assert "".join(line[-1] for line in _lines(capsys)) == shown


@pytest.mark.parametrize("name", _QUIET)
def test_libraries_show_warnings_only(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug", "text")
    logging.getLogger(name).info("chatter")
    logging.getLogger(f"{name}.inner").debug("chatter")
    logging.getLogger(name).warning("trouble")
    (line,) = _lines(capsys)
    assert line.endswith("trouble")


def test_loggers_made_before_are_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("audio_score_server.early")
    configure_logs("info", "text")
    log.info("here")
    assert len(_lines(capsys)) == 1


def test_configuring_again_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "text")
    configure_logs("info", "json")
    logging.getLogger("x").info("once")
    assert len(_lines(capsys)) == 1


def test_gruut_keeps_its_tracebacks_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug", "text")
    logging.getLogger("gruut.text_processor").error("Failed to verbalize currency")
    assert "verbalize" not in capsys.readouterr().err


@pytest.mark.usefixtures("served")
def test_lines_of_a_request_have_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "text")
    logging.getLogger("x").info("Working.")
    configure_logs("info", "json")
    logging.getLogger("x").info("Working.")
    text, machine = _lines(capsys)
    assert text.endswith(" Working. request_id=a-b-c")
    assert json.loads(machine)["request_id"] == "a-b-c"


def test_other_lines_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "text")
    logging.getLogger("x").info("Working.")
    configure_logs("info", "json")
    logging.getLogger("x").info("Working.")
    assert not [line for line in _lines(capsys) if "request_id" in line]


def test_fields_are_told_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    logging.getLogger("x").info("ms=1.5", extra={"fields": {"ms": 1.5, "path": "/score"}})
    (line,) = _lines(capsys)
    fields = json.loads(line)
    assert (fields["message"], fields["ms"], fields["path"]) == ("ms=1.5", 1.5, "/score")
