"""A log formatter that redacts each line, tracebacks included, just before it is written."""

import logging

from halt400.redaction.redactor import Redactor

__all__ = ["RedactingFormatter"]


class RedactingFormatter(logging.Formatter):
    """Formats a log record with another formatter and redacts the result.

    Parameters
    ----------
    redactor
        Replaces the secrets.
    formatter
        Makes the line; the standard one when None.

    Examples
    --------
    >>> from halt400.redaction import RedactionRules, Redactor
    >>> formatter = RedactingFormatter(Redactor(RedactionRules(), b"a key of at least 16 bytes"))
    >>> formatter.format(logging.LogRecord("x", 20, "", 0, "GET /?token=%s", ("abc",), None))
    'GET /?token=fff'
    """

    def __init__(self, redactor: Redactor, formatter: logging.Formatter | None = None) -> None:
        super().__init__()
        self._redactor = redactor
        self._formatter = formatter or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """The whole record as one redacted text."""
        return self._redactor.text(self._formatter.format(record))
