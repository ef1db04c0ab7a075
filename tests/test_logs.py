"""The log as JSON: one object a line, whatever is in the message, and no secret in it."""

import json
import logging
import sys
from types import TracebackType

import pytest

from halt400.redaction import RedactionRules, Redactor
from streams.logs import JsonFormatter
from tests.cli.command import environment, start

FORMATTER = JsonFormatter(Redactor(RedactionRules(), b"the key of the log's tests"), "detect")
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def record(message: str, *arguments: object, exc_info: ExcInfo | None = None) -> logging.LogRecord:
    return logging.LogRecord("halt400.worker", logging.WARNING, "worker.py", 7, message, arguments, exc_info)


def test_a_line_says_when_what_where_and_which_process() -> None:
    found = json.loads(FORMATTER.format(record("%s records", 3)))
    assert list(found) == ["time", "level", "logger", "process", "pid", "message"]
    assert (found["level"], found["process"], found["message"]) == ("WARNING", "detect", "3 records")
    assert len(found["time"]) == len("2026-11-28T18:10:00.123Z")


@pytest.mark.parametrize(
    "text", ["two\nlines", "\x1b[31mred", "\ud800 alone", '"quoted", }', "\u202eright to left", "\0"]
)
def test_hostile_text_is_one_line_of_json(text: str) -> None:
    line = FORMATTER.format(record("target %s", text))
    assert line.isprintable()
    assert json.loads(line)["message"].startswith("target ")


def test_a_traceback_is_a_field_and_has_no_secret() -> None:
    try:
        raise ValueError("Authorization: Bearer abcdefgh12345678")
    except ValueError:
        exc_info = sys.exc_info()
    found = json.loads(FORMATTER.format(record("it failed: password=s3cret-Pw", exc_info=exc_info)))  # type: ignore[arg-type]
    assert "ValueError" in found["exception"]
    assert "abcdefgh12345678" not in found["exception"]
    assert "s3cret-Pw" not in found["message"]


@pytest.mark.slow
async def test_the_processes_write_it_where_it_is_set() -> None:
    variables = environment(HALT400_LOG_FORMAT="json", HALT400_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    process = await start("api", "--port", "0", variables=variables)
    assert process.stderr is not None
    line = json.loads(await process.stderr.readline())
    process.terminate()
    await process.communicate()
    assert (line["process"], line["level"]) == ("api", "WARNING")
    assert "127.0.0.1:1" in line["message"]
