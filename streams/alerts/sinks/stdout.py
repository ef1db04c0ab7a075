"""Standard output: the sink where no other is configured."""

import sys
from typing import TextIO

import msgspec

from streams.alerts.delivery import AttemptResult, RetryPolicy
from streams.alerts.notification import Notification
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.text import format_time

__all__ = ["StdoutSink"]


class StdoutSink:
    """Writes to a stream: a paragraph for people, or one JSON object a line."""

    retry = RetryPolicy(give_up_after_s=0.0)

    def __init__(self, name: str, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self.name = name
        self._as_json, self._stream = as_json, stream

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Write and flush; a closed stream is unavailable."""
        stream = self._stream if self._stream is not None else sys.stdout
        try:
            stream.write(_json(notification) if self._as_json else _paragraph(notification))
            stream.flush()
        except (OSError, ValueError) as error:
            return AttemptResult("unavailable", f"{type(error).__name__} {error}")
        return AttemptResult("accepted", "written")

    async def close(self) -> None:
        """Leave the stream open: it belongs to the caller."""


def _json(notification: Notification) -> str:
    return f"{msgspec.json.encode(notification).decode()}\n"


def _paragraph(notification: Notification) -> str:
    found = labelled_texts(notification)
    width = max(len(label) for label, _ in found)
    lines = [f"{format_time(notification.at)} {notification.severity} {notification.action}: {notification.title}"]
    for label, text in found:
        first, *rest = text.splitlines() or [""]
        lines.append(f"  {label:<{width}}  {first}")
        lines += [f"  {'':<{width}}  {line}" for line in rest]
    return "\n".join(lines) + "\n"
