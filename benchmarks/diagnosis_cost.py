"""What the longest inputs cost: a megabyte of one text, as body of each kind, as URL, and as the server's answer."""

from __future__ import annotations

import time

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
    return max(spent)


def _seconds(request: Request, response: Response) -> float:
    start = time.process_time()
    diagnose(request, response)
    return time.process_time() - start
