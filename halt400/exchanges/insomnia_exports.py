"""Exports of Insomnia: format 4 (JSON) and format 5 (YAML, `collection.insomnia.rest/5.0`). Pure.

Sources: https://docs.insomnia.rest/insomnia/import-export-data, and for format 5
https://github.com/Kong/insomnia/blob/develop/packages/insomnia/src/common/import-v5-parser.ts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from halt400.errors import InputError
from halt400.exchanges.recorded import RecordedExchange
from halt400.records import Header, Request

__all__ = ["filled", "insomnia_requests", "is_insomnia", "is_insomnia_yaml", "list_of", "read_insomnia_yaml"]

_VARIABLE = re.compile(r"\{\{\s{0,4}(?:_\.)?([\w.-]{1,80})\s{0,4}\}\}")
_IS_YAML = re.compile(
    rb"\A(?:[#%-][^\n]{0,200}\n|\s|[\w-]{1,40}:[^\n]{0,200}\n){0,8}type:\s{0,4}[\"']?collection\.insomnia\.rest/"
)
_MOST = 10_000


def is_insomnia(document: dict[str, Any]) -> bool:
    """Whether a parsed value is an export of Insomnia."""
    if isinstance(document.get("resources"), list):
        return True
    return isinstance(document.get("collection"), list) and "insomnia.rest/" in str(document.get("type"))


def is_insomnia_yaml(data: bytes) -> bool:
    """Whether the beginning is that of an export of format 5."""
    return _IS_YAML.match(data[:4096]) is not None


def read_insomnia_yaml(data: bytes) -> Any:
    """Parse an export of format 5; every scalar stays a text, as it is written.

    Raises
    ------
    InputError
        When it is no YAML, or PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise InputError(
            "An export of Insomnia 5 is YAML, and PyYAML is not installed.", "pip install pyyaml"
        ) from None
    try:
        return yaml.load(data, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 - makes texts only
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        shown = " ".join(str(error).split())[:200]
        raise InputError(f"The export is no YAML ({shown}).", "Export it again, as Insomnia v5.") from None


def insomnia_requests(document: dict[str, Any]) -> list[RecordedExchange]:
    """Every request of an export, in order, with the variables of its environments and folders."""
    if isinstance(document.get("resources"), list):
        found = [(name, one, values) for name, one, values in _of_format_4(document)]
    else:
        found = list(_of_format_5(document))
    return [RecordedExchange(where=name[:200], request=_request(one, values)) for name, one, values in found[:_MOST]]


def _of_format_4(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    resources = [one for one in document["resources"] if isinstance(one, dict)]
    values: dict[str, str] = {}
    for one in resources:
        if one.get("_type") == "environment":
            values.update(_scalars(one.get("data")))
    for one in resources:
        if one.get("_type") == "request":
            yield str(one.get("name") or "request"), one, values


def _of_format_5(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    environments = document.get("environments")
    base = environments if isinstance(environments, dict) else {}
    values: dict[str, str] = {}
    for one in reversed(list_of(base.get("subEnvironments"))):
        values.update(_scalars(one.get("data") if isinstance(one, dict) else None))
    values = {**values, **_scalars(base.get("data"))}
    pending: list[tuple[Any, str, dict[str, str], Any, list[Any]]] = [
        (one, "", values, None, []) for one in list_of(document["collection"])
    ]
    for _ in range(2 * _MOST):
        if not pending:
            return
        one, above, known, auth, headers = pending.pop(0)
        if not isinstance(one, dict):
            continue
        name = f"{above} / {one.get('name') or 'request'}".removeprefix(" / ")
        auth = one.get("authentication") or auth
        if "children" in one:
            known = {**known, **_scalars(one.get("environment"))}
            headers = [*headers, *list_of(one.get("headers"))]
            pending[:0] = [(inner, name, known, auth, headers) for inner in list_of(one["children"])[:_MOST]]
        elif "method" in one:
            own = {
                str(header.get("name")).lower() for header in list_of(one.get("headers")) if isinstance(header, dict)
            }
            inherited = [one for one in headers if isinstance(one, dict) and str(one.get("name")).lower() not in own]
            yield name, {**one, "authentication": auth, "headers": inherited + list_of(one.get("headers"))}, known


def _request(one: dict[str, Any], values: dict[str, str]) -> Request:
    headers: list[Header] = list(_pairs(one.get("headers"), values))
    body, kind = _body(one.get("body"), values)
    names = {name.lower() for name, _ in headers}
    if kind and "content-type" not in names:
        headers.append(("Content-Type", kind))
    auth = one.get("authentication")
    if isinstance(auth, dict) and auth.get("type") == "bearer" and _is_on(auth) and "authorization" not in names:
        token = f"{auth.get('prefix') or 'Bearer'} {auth.get('token') or ''}"
        headers.append(("Authorization", filled(token, values)))
    url = filled(str(one.get("url") or "/"), values)
    for name, value in _pairs(one.get("pathParameters"), values):
        url = re.sub(rf"/:{re.escape(name)}(?=[/?#]|$)", "/" + quote(value, safe=""), url)
    pairs = list(_pairs(one.get("parameters"), values))
    if pairs:
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(pairs)}"
    return Request(method=str(one.get("method") or "GET"), url=url, headers=headers, body=body)


def _body(given: Any, values: dict[str, str]) -> tuple[str | None, str]:
    if not isinstance(given, dict):
        return None, ""
    kind = str(given.get("mimeType") or "")
    text = given.get("text")
    if isinstance(text, str) and (text or kind):
        return filled(text, values), "application/json" if kind == "application/graphql" else kind
    if kind == "application/x-www-form-urlencoded":
        return urlencode(list(_pairs(given.get("params"), values))), kind
    return None, ""


def _is_on(one: dict[str, Any]) -> bool:
    return one.get("disabled") in (None, False, "false", "")


def _pairs(given: Any, values: dict[str, str]) -> Iterator[tuple[str, str]]:
    for one in list_of(given):
        if isinstance(one, dict) and one.get("name") and _is_on(one):
            yield str(one["name"]), filled(str(one.get("value") or ""), values)


def _scalars(data: Any, above: str = "") -> dict[str, str]:
    """The values of an environment; a member of an object by its path."""
    found: dict[str, str] = {}
    for name, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, dict) and above.count(".") < 4:
            found.update(_scalars(value, f"{above}{name}."))
        elif isinstance(value, str | int | float):
            found[f"{above}{name}"] = str(value)
    return found


def filled(text: str, values: dict[str, str]) -> str:
    """The text with the variables that the export has values of; others stay, as they would be sent."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def list_of(value: Any) -> list[Any]:
    """A list; an empty one for anything else."""
    return value if isinstance(value, list) else []
