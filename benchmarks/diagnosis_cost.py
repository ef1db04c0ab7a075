"""What the longest inputs cost: a megabyte of one text, as body of each kind, as URL, and as the server's answer.

And a megabyte of one structure: many members, nesting, fields, headers, lines, with a server that names many of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from halt400.diagnosis import diagnose
from halt400.records import Request, Response

__all__ = ["slowest_megabyte"]

_MEGABYTE = 1_000_000
_TEXTS = (
    "[", '{"a":', "[0],", '"', "\\", "a=1&", "%41", "%zz", "<a>", '<a b="', "--b\r\n", "\x00", "é", '"a":"', "{{", "a ",
    "'", "\n", "password=", "9999 ", "x is required ", "header ", "<h1>400 bad request</h1>",
    "unexpected token in json ",
)  # fmt: skip
_TYPES = ("application/json", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b")


def slowest_megabyte() -> tuple[float, str]:
    """The CPU time of the slowest diagnosis of a megabyte, in seconds, and what it was."""
    spent = []
    for text in _TEXTS:
        whole = (text * (_MEGABYTE // len(text) + 1))[:_MEGABYTE]
        for kind in _TYPES:
            headers = [("Content-Type", kind)]
            one = Request(method="POST", url="https://shop.example/items", headers=headers, body=whole)
            spent.append((_seconds(one, Response(status=400)), f"a body of {text!r} as {kind}"))
        url = Request(method="GET", url=f"https://shop.example/{whole}")
        spent.append((_seconds(url, Response(status=400)), f"a URL of {text!r}"))
        plain = Request(method="GET", url="https://shop.example/items")
        spent.append((_seconds(plain, Response(status=400, body=whole)), f"an answer of {text!r}"))
    for what, one in _structures():
        for named, answer in _answers().items():
            spent.append((_seconds(one, Response(status=400, body=answer)), f"{what}, answered with {named}"))
    return max(spent)


def _structures() -> Iterator[tuple[str, Request]]:
    members = {f"field_{number}": f"value {number} x" for number in range(25_000)}
    lists = [{"id": number, "tags": ["a", "b"], "inner": {"x": None, "price": 0.5}} for number in range(14_000)]
    query = urlencode(members)
    texts = urlencode({f"k{number}": '{"a": 1}' for number in range(40_000)})
    elements = "".join(f"<b{number} c='{number}'>v{number}</b{number}>" for number in range(30_000))
    selections = " ".join(f"a{number}: user(id: {number}) {{ name }}" for number in range(25_000))
    lines = '{"index": {"_index": "a"}}\n{"f": 1, "g": "xxxxxxxxxxxxxxx"}\n' * 16_000
    nested = "[" + ",".join('{"a":' * 50 + "1" + "}" * 50 for _ in range(3_000)) + "]"
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="f{n}"\r\n\r\n{n}\r\n' for n in range(14_000))
    for what, kind, body in (
        ("25,000 members", _TYPES[0], json.dumps(members)),
        ("14,000 objects", _TYPES[0], json.dumps(lists, indent=1)),
        ("members 50 deep", _TYPES[0], nested),
        ("25,000 members and a comma after the last", _TYPES[0], json.dumps(members)[:-1] + ",}"),
        ("60,000 members of one name", _TYPES[0], "{" + ",".join(['"name": "x"'] * 60_000) + "}"),
        ("25,000 selections", _TYPES[0], json.dumps({"query": f"{{ {selections} }}"})),
        ("30,000 elements", _TYPES[1], f"<a>{elements}</a>"),
        ("25,000 fields", _TYPES[2], query),
        ("40,000 fields of JSON", _TYPES[2], texts),
        ("14,000 parts", _TYPES[3], parts + "--b--\r\n"),
        ("32,000 lines", "application/x-ndjson", lines),
    ):
        headers = [("Content-Type", kind)]
        yield what, Request(method="POST", url="https://shop.example/items/_bulk", headers=headers, body=body)
    yield "25,000 parameters", Request(method="GET", url=f"https://shop.example/items?{query}")
    yield "250,000 segments", Request(method="GET", url="https://shop.example" + "/:id" * 250_000)
    many = [(f"X-Field-{number}", f"value {number}") for number in range(40_000)]
    yield "40,000 header fields", Request(method="GET", url="https://shop.example/items", headers=many)


def _answers() -> dict[str, str]:
    errors = [{"field": f"field_{n}", "message": f"'value {n} y' must be one of 'a', 'b'"} for n in range(9_000)]
    return {
        "one name": json.dumps({"error": {"message": "field_24999 is not a number", "param": "field_24999"}}),
        "9,000 errors": json.dumps({"errors": errors}),
        "30,000 quotations": " ".join(f'"value {number} y" at char {number}' for number in range(30_000)),
    }


def _seconds(request: Request, response: Response) -> float:
    start = time.process_time()
    diagnose(request, response)
    return time.process_time() - start
