"""Exports of Postman (Collection v2.1) and Insomnia (formats 4 and 5): their requests, and saved responses. Pure.

Source: https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html, and those of `insomnia_exports`.
Variables are filled in where the export has their values.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from halt400.errors import InputError
from halt400.exchanges.insomnia_exports import filled, insomnia_requests, is_insomnia, list_of
from halt400.exchanges.recorded import RecordedExchange
from halt400.records import Header, Request, Response

__all__ = ["is_collection", "read_collection"]

_LANGUAGES = {"json": "application/json", "xml": "application/xml", "html": "text/html", "text": "text/plain",
              "javascript": "application/javascript"}  # fmt: skip
_MOST = 10_000


def is_collection(document: Any) -> bool:
    """Whether a JSON value is an export of Postman or Insomnia."""
    if not isinstance(document, dict):
        return False
    info = document.get("info")
    return (isinstance(info, dict) and "item" in document) or is_insomnia(document)


def read_collection(document: Any) -> list[RecordedExchange]:
    """Read every request, in order, each with its saved responses.

    Raises
    ------
    InputError
        When it holds no request.

    Examples
    --------
    >>> item = {"name": "one", "request": {"method": "GET", "url": {"raw": "https://a.example/{{id}}"}}}
    >>> found = read_collection({"info": {}, "item": [item], "variable": [{"key": "id", "value": "7"}]})
    >>> [(one.where, one.request.url) for one in found]
    [('one', 'https://a.example/7')]
    """
    found = insomnia_requests(document) if is_insomnia(document) else _postman(document)
    if not found:
        raise InputError("The export holds no request.", "Export the collection or workspace with its requests.")
    for number, one in enumerate(found, 1):
        one.number = number
    return found


def _postman(document: dict[str, Any]) -> list[RecordedExchange]:
    values = _values(document.get("variable"), "key")
    found: list[RecordedExchange] = []
    pending: list[tuple[Any, str, Any]] = [(item, "", document.get("auth")) for item in list_of(document.get("item"))]
    while pending and len(found) < _MOST:
        item, above, auth = pending.pop(0)
        if not isinstance(item, dict):
            continue
        where = f"{above} / {item.get('name', '')}".removeprefix(" / ")[:200]
        auth = item.get("auth") or auth
        if isinstance(item.get("item"), list):
            pending[:0] = [(inner, where, auth) for inner in item["item"]]
        elif item.get("request") is not None:
            saved = list_of(item.get("response"))
            for answer in saved or [None]:
                own = answer.get("originalRequest") if isinstance(answer, dict) else None
                request = _postman_request(own or item["request"], values, auth)
                found.append(
                    RecordedExchange(where=where or "request", request=request, response=_postman_response(answer))
                )
    return found


def _postman_request(given: Any, values: dict[str, str], auth: Any) -> Request:
    if isinstance(given, str):
        return Request(method="GET", url=filled(given, values) or "/")
    url = given.get("url")
    raw = url.get("raw") if isinstance(url, dict) else url
    path_values = _values(url.get("variable") if isinstance(url, dict) else None, "key")
    address = filled(str(raw or "/"), values)
    for name, value in path_values.items():
        address = re.sub(rf"/:{re.escape(name)}(?=[/?#]|$)", "/" + quote(value, safe=""), address)
    headers = [
        (str(one.get("key", "")), filled(str(one.get("value") or ""), values))
        for one in list_of(given.get("header"))
        if isinstance(one, dict) and not one.get("disabled")
    ]
    body, kind = _postman_body(given.get("body"), values)
    names = {name.lower() for name, _ in headers}
    if kind and "content-type" not in names:
        headers.append(("Content-Type", kind))
    own = given.get("auth") or auth
    if isinstance(own, dict) and own.get("type") == "bearer" and "authorization" not in names:
        token = _values(own.get("bearer"), "key").get("token", "")
        headers.append(("Authorization", f"Bearer {filled(token, values)}"))
    return Request(method=str(given.get("method") or "GET"), url=address or "/", headers=headers, body=body)


def _postman_body(given: Any, values: dict[str, str]) -> tuple[str | None, str]:
    if not isinstance(given, dict) or given.get("disabled"):
        return None, ""
    mode = given.get("mode")
    if mode == "raw":
        options = given.get("options")
        raw = options.get("raw") if isinstance(options, dict) else None
        language = str(raw.get("language") or "text") if isinstance(raw, dict) else "text"
        return filled(str(given.get("raw") or ""), values), _LANGUAGES.get(language, "text/plain")
    if mode == "urlencoded":
        pairs = [
            (str(one.get("key", "")), filled(str(one.get("value") or ""), values))
            for one in list_of(given.get("urlencoded"))
            if isinstance(one, dict) and not one.get("disabled")
        ]
        return urlencode(pairs), "application/x-www-form-urlencoded"
    if mode == "graphql":
        inner = given.get("graphql") or {}
        try:
            variables = json.loads(filled(str(inner.get("variables") or "{}"), values))
        except ValueError:
            variables = inner.get("variables")
        text = json.dumps({"query": str(inner.get("query") or ""), "variables": variables})
        return text, "application/json"
    return None, ""


def _postman_response(answer: Any) -> Response | None:
    if not isinstance(answer, dict) or not isinstance(answer.get("code"), int) or not 100 <= answer["code"] <= 599:
        return None
    headers: list[Header] = [
        (str(one.get("key", "")), str(one.get("value") or ""))
        for one in list_of(answer.get("header"))
        if isinstance(one, dict)
    ]
    body = answer.get("body")
    return Response(status=answer["code"], headers=headers, body=body if isinstance(body, str) else None)


def _values(given: Any, name: str) -> dict[str, str]:
    return {
        str(one[name]): str(one["value"])
        for one in list_of(given)
        if isinstance(one, dict) and one.get(name) is not None and one.get("value") not in (None, "")
    }
