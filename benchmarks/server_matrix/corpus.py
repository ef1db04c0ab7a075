"""The published corpus ``corpus/servers``: every request of the matrix, and what each real server answered to it.

``requests.jsonl`` has one line for each request: name, cause, raw bytes as Latin-1 text; long runs of one text are
written ``{"repeat": [text, count]}``. ``servers.jsonl`` has name, version and the names that its refusals go by.
``responses.jsonl`` has one line for each distinct response: raw bytes as Latin-1 text, and to whom and what it was the
answer. The value of each Date field is set to one moment, so that equal responses are stored once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.server_matrix.defects import DEFECTS, FINE

__all__ = ["ASIDE", "CORPUS", "Cell", "cells", "differences", "split_response", "write"]

CORPUS = Path(__file__).resolve().parent.parent.parent / "corpus" / "servers"
ASIDE = CORPUS.parent / "servers_aside"
"""Earlier versions of the same servers, of which no sign was taken: to score on."""

_DATE = re.compile(rb"(?i)(\r\ndate: )[^\r\n]*")
_LONG = re.compile(r"(.{1,16}?)\1{500,}", re.DOTALL)
_FIXED = rb"\1Sat, 28 Nov 2026 12:00:00 GMT"


class Cell(Struct, kw_only=True, frozen=True):
    """One cell of the matrix: what one server answered to one request.

    Attributes
    ----------
    answered_by
        Who answered: the names of which the diagnosis should say one.
    reference
        The raw response of this server to the same kind of request without a defect.
    """

    server: str
    answered_by: tuple[str, ...]
    defect: str
    cause: str
    words: tuple[str, ...]
    raw: bytes
    response: bytes
    reference: bytes


def _packed(raw: bytes) -> list[Any]:
    text = raw.decode("latin-1")
    parts: list[Any] = []
    at = 0
    for run in _LONG.finditer(text):
        parts += [text[at : run.start()], {"repeat": [run[1], len(run[0]) // len(run[1])]}]
        at = run.end()
    return [part for part in (*parts, text[at:]) if part]


def _unpacked(parts: list[Any]) -> bytes:
    texts = [part if isinstance(part, str) else part["repeat"][0] * part["repeat"][1] for part in parts]
    return "".join(texts).encode("latin-1")


def differences(found: Mapping[str, Mapping[str, bytes]], corpus: Path = CORPUS) -> tuple[int, list[tuple[str, str]]]:
    """How many responses are as in a corpus, and the servers and requests of those that are not."""
    known: dict[tuple[str, str], str] = {}
    for line in _lines(corpus / "responses.jsonl"):
        known.update({(server, name): line["raw"] for server, names in line["cells"].items() for name in names})
    differs = [
        (server, name)
        for server, answers in found.items()
        for name, response in answers.items()
        if known.get((server, name)) != _DATE.sub(_FIXED, response).decode("latin-1")
    ]
    return sum(map(len, found.values())) - len(differs), differs


def write(found: Mapping[str, Mapping[str, bytes]], about: Mapping[str, dict[str, Any]], corpus: Path = CORPUS) -> None:
    """Write what was recorded of some servers; what the corpus holds of others stays.

    Parameters
    ----------
    found
        By server and request, the raw response.
    about
        By server, its line of ``servers.jsonl`` without the name.
    corpus
        The folder of the corpus.
    """
    corpus.mkdir(parents=True, exist_ok=True)
    servers: dict[str, Any] = {}
    responses: dict[str, dict[str, list[str]]] = {}
    if (corpus / "servers.jsonl").exists():
        servers = {line.pop("name"): line for line in _lines(corpus / "servers.jsonl")}
        for line in _lines(corpus / "responses.jsonl"):
            for server, defects in line["cells"].items():
                if server not in found:
                    responses.setdefault(line["raw"], {})[server] = defects
    servers.update(about)
    for server, answers in found.items():
        for defect, response in answers.items():
            text = _DATE.sub(_FIXED, response).decode("latin-1")
            responses.setdefault(text, {}).setdefault(server, []).append(defect)
    every = (*FINE, *DEFECTS)
    if corpus == CORPUS:
        packed = ({"name": d.name, "cause": d.cause, "words": d.words, "raw": _packed(d.raw)} for d in every)
        _write(corpus / "requests.jsonl", packed)
    _write(corpus / "servers.jsonl", ({"name": name, **servers[name]} for name in sorted(servers)))
    ordered = sorted(responses.items(), key=lambda one: (min(one[1]), one[0]))
    _write(corpus / "responses.jsonl", ({"cells": dict(sorted(to.items())), "raw": raw} for raw, to in ordered))


def _write(path: Path, lines: Iterator[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open() as file:
        for line in file:
            yield json.loads(line)


def cells(corpus: Path = CORPUS) -> Iterator[Cell]:
    """Every cell in which a response came back."""
    requests = {line["name"]: line for line in _lines(CORPUS / "requests.jsonl")}
    raws = {name: _unpacked(line["raw"]) for name, line in requests.items()}
    servers = {line["name"]: line for line in _lines(corpus / "servers.jsonl")}
    answers = list(_lines(corpus / "responses.jsonl"))
    fine: dict[tuple[str, str], str] = {}
    for line in answers:
        for server, names in line["cells"].items():
            fine.update({(server, name): line["raw"] for name in names if requests[name]["cause"] == "none"})
    for line in answers:
        if not line["raw"].startswith("HTTP/"):
            continue
        for server, names in line["cells"].items():
            for name in names:
                one = requests[name]
                reference = "fine POST of JSON" if raws[name].startswith(b"POST") else "fine GET"
                yield Cell(
                    server=server,
                    answered_by=_who(line["raw"], tuple(servers[server]["answers_as"])),
                    defect=name,
                    cause=one["cause"],
                    words=tuple(one["words"]),
                    raw=raws[name],
                    response=line["raw"].encode("latin-1"),
                    reference=fine[server, reference].encode("latin-1"),
                )


def _who(raw: str, server: tuple[str, ...]) -> tuple[str, ...]:
    """Who answered: the application of the matrix is known by its words, the upstream of the proxies by its page."""
    if '"invalid JSON: ' in raw or '{"error":"invalid JSON' in raw or "Mcp-Session-Id" in raw or '"jsonrpc"' in raw:
        return ("the application",)
    if "<p>Error code explanation:" in raw:
        return ("Python http.server", *(server if server[0] in ("Werkzeug", "Python http.server") else ()))
    return server


def split_response(raw: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, header fields and body of a raw response."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers = []
    for line in lines[1:]:
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    if any(name.lower() == "transfer-encoding" and "chunked" in value.lower() for name, value in headers):
        body = _dechunked(body)
    return int(lines[0][9:12]), headers, body


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            break
        if length == 0:
            break
        whole, body = whole + rest[:length], rest[length + 2 :]
    return whole
