"""The log of a process of the service: lines for people or JSON for programs, on standard error, without secrets."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from halt400.redaction import RedactingFormatter, Redactor
from streams.settings import Settings
from streams.visible_text import visible_json, visible_text

__all__ = ["JsonFormatter", "TextFormatter", "log_to_stderr"]

INDENT = "    "


class TextFormatter(logging.Formatter):
    """Formats a log record for people; what a stranger sent can neither begin a line nor control the terminal.

    Further lines of a message are indented, its control and format characters are written as escapes.

    Parameters
    ----------
    process
        The process that logs, where several write to one log; else nothing.
    """

    def __init__(self, process: str = "") -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {process + ' ' if process else ''}%(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line without the traceback."""
        record.message = visible_text(record.message, lines=True).replace("\n", f"\n{INDENT}")
        return super().formatMessage(record)

    def formatException(self, exc_info: Any) -> str:  # noqa: N802
        """The traceback, of which every line is indented: the error's own text may have several."""
        return f"{INDENT}{visible_text(super().formatException(exc_info), lines=True)}".replace("\n", f"\n{INDENT}")


class JsonFormatter(logging.Formatter):
    """Formats a log record as one JSON object on one line; message and traceback are redacted.

    Parameters
    ----------
    redactor
        Replaces the secrets.
    process
        Which process of the service logs: detect, follow-up or api.
    """

    def __init__(self, redactor: Redactor, process: str) -> None:
        super().__init__()
        self._redactor, self._process = redactor, process

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        found = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "process": self._process,
            "pid": record.process,
            "message": self._redactor.text(record.getMessage()),
        }
        if record.exc_info and record.exc_info[0] is not None:
            found["exception"] = self._redactor.text(self.formatException(record.exc_info))
        if record.stack_info:
            found["stack"] = self._redactor.text(record.stack_info)
        # A lone surrogate of a hostile text is no UTF-8.
        line = orjson.dumps(
            {
                name: value.encode(errors="replace").decode() if isinstance(value, str) else value
                for name, value in found.items()
            }
        ).decode()
        return visible_json(line)


def log_to_stderr(settings: Settings, redactor: Redactor, process: str, *, shown: bool = False) -> None:
    """Log to standard error what an operator needs, at the level and in the format that are set.

    Parameters
    ----------
    shown
        Whether lines for people name the process, too.
    """
    formatter: logging.Formatter
    if settings.log.format == "json":
        formatter = JsonFormatter(redactor, process)
    else:
        formatter = RedactingFormatter(redactor, TextFormatter(process if shown else ""))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=settings.worker.log_level, handlers=[handler])
