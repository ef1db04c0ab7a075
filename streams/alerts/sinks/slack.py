"""Slack, incoming webhook with Block Kit.

Contract: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
https://docs.slack.dev/reference/block-kit/blocks. A message has at most 50 blocks, a header at most 150 characters of
plain text, a section's text at most 3000; in mrkdwn only ``&``, ``<`` and ``>`` are escaped, so that a
text mentions no channel. 429 has Retry-After; other 4xx are final.
"""

from typing import Any

import orjson

from streams.alerts.delivery import AttemptResult, RetryPolicy
from streams.alerts.http_post import HttpPoster
from streams.alerts.notification import Notification
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.text import shorten

__all__ = ["SlackSink", "escape"]

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
LONGEST_TEXT = 3000
CODE = ("Release", "Archive", "See it", "Evidence", "Acknowledge")
MARKS = {"trigger": ":red_circle:", "update": ":red_circle:", "acknowledge": ":eyes:", "resolve": ":white_check_mark:"}
PREFIXES = {"trigger": "", "update": "Update: ", "acknowledge": "Acknowledged: ", "resolve": "Over: "}


class SlackSink:
    """One channel; the webhook's address is a secret."""

    retry = RetryPolicy(first_s=1.0, longest_s=60.0, throttled_s=30.0, give_up_after_s=900.0)

    def __init__(self, name: str, url: str, *, timeout_s: float = 10.0) -> None:
        self.name = name
        self._http = HttpPoster(url, timeout_s=timeout_s, secrets=[url.partition("/services/")[2]])

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Post one message."""
        return await self._http.post(orjson.dumps(_message(notification)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _message(notification: Notification) -> dict[str, Any]:
    mark = ":large_yellow_circle:" if notification.severity == "ticket" else MARKS[notification.action]
    if notification.action in ("acknowledge", "resolve"):
        mark = MARKS[notification.action]
    title = f"{PREFIXES[notification.action]}{notification.title}"
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            # No emoji: what stands between colons in a title must not become one.
            "text": {"type": "plain_text", "text": shorten(title, LONGEST_HEADER), "emoji": False},
        }
    ]
    for label, text in labelled_texts(notification):
        blocks.append(_section(f"*{label}*\n", text, code=label in CODE))
    footer = f"{mark} {notification.severity} by Halt400, route {escape(notification.route)}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": footer, "verbatim": True}]})
    return {"text": _escape_within(title, LONGEST_TEXT), "blocks": blocks}


def _section(label: str, text: str, *, code: bool) -> dict[str, Any]:
    before, behind = (f"{label}```", "```") if code else (label, "")
    if code:
        text = text.replace("`", "'")
    body = _escape_within(text, LONGEST_SECTION - len(before) - len(behind))
    return {"type": "section", "text": {"type": "mrkdwn", "text": f"{before}{body}{behind}", "verbatim": True}}


def escape(text: str) -> str:
    """Escape the three characters that have a meaning in mrkdwn.

    >>> escape("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_within(text: str, longest: int) -> str:
    """Escape a text and cut it between characters, so that the escaped text fits."""
    escaped = escape(text)
    if len(escaped) <= longest:
        return escaped
    kept, length = [], 0
    for character in text:
        length += len(escape(character))
        if length > longest - 1:
            break
        kept.append(character)
    return f"{escape(''.join(kept))}…"
