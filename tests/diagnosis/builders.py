"""Requests for the tests, in one line each."""

from __future__ import annotations

import base64

from halt400.records import Request, Response

JSON = [("Content-Type", "application/json")]
REFUSED = Response(status=400)


def request(
    body: str | bytes | None = None,
    *,
    method: str = "POST",
    url: str = "https://api.shop.example/v1/orders",
    content_type: str | None = "application/json",
    headers: list[tuple[str, str]] | None = None,
    http_version: str = "1.1",
) -> Request:
    fields = [("Content-Type", content_type)] if content_type is not None else []
    return Request(
        method=method,
        url=url,
        http_version=http_version,
        headers=[*fields, *(headers or [])],
        body=body if isinstance(body, str) else None,
        body_base64=base64.b64encode(body).decode() if isinstance(body, bytes) else None,
    )


def get(url: str = "https://api.shop.example/v1/orders", headers: list[tuple[str, str]] | None = None) -> Request:
    return request(None, method="GET", url=url, content_type=None, headers=headers)
