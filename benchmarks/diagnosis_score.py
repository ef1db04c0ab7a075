"""One measured share against its bar, and the requests that it is measured on."""

from __future__ import annotations

import base64
from typing import Any

from msgspec import Struct

from halt400.records import Request

__all__ = ["Score", "request_of", "score_of"]


class Score(Struct, kw_only=True):
    """One measured share against its bar; `at_least` says on which side of the bar is good."""

    name: str
    good: int
    total: int
    bar: float | None
    at_least: bool = True
    misses: list[str] = []

    @property
    def ratio(self) -> float:
        """The share, 0-1."""
        return self.good / self.total if self.total else 0.0

    @property
    def passed(self) -> bool:
        """Whether the share is on the good side of the bar."""
        if self.bar is None:
            return True
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar


def request_of(method: str, url: str, headers: Any = None, body: str | bytes | None = None, **more: Any) -> Request:
    """A request with headers as an object or as pairs, and a body as text or bytes."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    encoded = base64.b64encode(body).decode() if isinstance(body, bytes) else None
    return Request(
        method=method,
        url=url,
        headers=[(str(name), str(value)) for name, value in pairs],
        body=body if isinstance(body, str) else None,
        body_base64=encoded,
        **more,
    )


def score_of(name: str, results: list[tuple[str, bool]], bar: float | None) -> Score:
    """The share of the labelled results that are good; the others are its misses."""
    misses = [label for label, good in results if not good]
    return Score(name=name, good=len(results) - len(misses), total=len(results), bar=bar, misses=misses)
