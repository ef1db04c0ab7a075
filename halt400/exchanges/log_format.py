r"""nginx's ``log_format`` as a pattern that takes its lines apart. Pure.

https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format: text with ``$variables``. In their values
``escape=default`` writes ``"``, ``\``, control characters and bytes above 126 as ``\xHH`` and a missing value as ``-``;
``escape=json`` escapes as JSON does, ``escape=none`` does not escape.

A value reaches to the text after its variable, so that a line is read from left to right, once.
"""

import re
from typing import Literal, NamedTuple, get_args

import orjson

from halt400.errors import InputError
from halt400.exchanges.log_lines import unfit
from halt400.exchanges.request_line import unescaped

__all__ = ["LogFormat"]

Escape = Literal["default", "json", "none"]

_DIRECTIVE = re.compile(
    r"(?:log_format\s+(?P<name>[^\s'\"]+)\s+)?(?:escape=(?P<escape>\w+)\s+)?(?P<text>.*?)\s*;?", re.DOTALL
)
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*+)'|"((?:[^"\\]|\\.)*+)"|[^\s'"]++""", re.DOTALL)
_CONFIGURATION_ESCAPE = re.compile(r"""\\([\\'"trn])""")
_CONFIGURATION_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SHORTEST = {
    "host": r"[^\s/\"\\]*+",
    "http_host": r"[^\s/\"\\]*+",
    "is_args": r"\??",
    "request_method": r"[A-Za-z]*+",
    "scheme": r"[a-z]*+",
    "server_name": r"[^\s/\"\\]*+",
    "uri": r"[^?\"\\]*+(?:\\.[^?\"\\]*+)*+",
}
"""What a variable holds at the most, for where another one follows without a text between them."""
_LIST = r"(?:[^\s,\"]*+(?:(?:, | : )[^\s,\"]++)*+)"
"""The values of ``$upstream_...``: one for each server that was asked, separated by a comma or a colon and spaces."""
_MEND = "Copy it from nginx.conf, in single quotes: --log-format '$remote_addr - [$time_local] \"$request\" $status …'."


class _Part(NamedTuple):
    """A variable with the text before it."""

    text: str
    name: str
    pattern: str


class LogFormat:
    r"""A compiled ``log_format``.

    Parameters
    ----------
    definition
        As it stands in nginx.conf: the text alone, or in quoted pieces, or the whole directive with its name.

    Attributes
    ----------
    variables : tuple of str
        Names of the variables, in their order.

    Raises
    ------
    InputError
        It is none, or its lines could not be taken apart.

    Examples
    --------
    >>> found = LogFormat('$remote_addr [$time_local] "$request" $status')
    >>> found.values('192.0.2.1 [17/May/2015:10:05:03 +0000] "GET /a?q=\\x22b\\x22 HTTP/1.1" 400')["request"]
    'GET /a?q="b" HTTP/1.1'
    """

    def __init__(self, definition: str) -> None:
        self.escape, self.text = _text_of(definition)
        self._parts, self._rest = _parts(self.text, self.escape)
        self.variables = tuple(part.name for part in self._parts)
        if not self.variables:
            raise InputError(f"The log_format {self.text!r} has no $variable.", _MEND)
        pattern = "".join(f"{re.escape(part.text)}({part.pattern})" for part in self._parts)
        self._line = re.compile(pattern + re.escape(self._rest), re.DOTALL)

    def fits(self, line: str) -> bool:
        """Whether a line has this form."""
        return self._line.fullmatch(line) is not None

    def values(self, line: str) -> dict[str, str]:
        """Take a line apart: the values by variable, unescaped; those that are missing are left out.

        Raises
        ------
        InvalidRecord
            The line has another form; the message says where.
        """
        match = self._line.fullmatch(line)
        if match is None:
            raise unfit("the log_format", *self._misfit(line))
        found: dict[str, str] = {}
        for name, value in zip(self.variables, match.groups(), strict=True):
            if value not in ("", "-"):
                found.setdefault(name, self._unescaped(value))
        return found

    def _unescaped(self, value: str) -> str:
        if self.escape == "none" or "\\" not in value:
            return value
        if self.escape == "json":
            try:
                return str(orjson.loads(f'"{value}"'))
            except orjson.JSONDecodeError:
                return value
        return unescaped(value)

    def _misfit(self, line: str) -> tuple[str, str]:
        """Where a line departs from the format: what is there, and what is expected."""
        at, start, before = 0, 0, ""
        for part in self._parts:
            if not line.startswith(part.text, at):
                return line[start:], f"{before}{part.text!r}"
            at = start = at + len(part.text)
            value = re.compile(part.pattern, re.DOTALL).match(line, at)
            if value is None:
                return line[at:], f"${part.name}"
            at, before = value.end(), f"${part.name} and then "
        if line.startswith(self._rest, at):
            return line[at + len(self._rest) :], "the end of the line"
        return line[start:], f"{before}{self._rest!r}"


def _text_of(definition: str) -> tuple[Escape, str]:
    """How values are escaped, and the text with its variables."""
    match = _DIRECTIVE.fullmatch(definition.strip())
    assert match is not None
    escape = match["escape"] or "default"
    if escape not in get_args(Escape):
        raise InputError(f"The log_format has escape={escape}.", f"nginx knows {', '.join(get_args(Escape))}.")
    text = match["text"]
    if match["name"] is not None or (len(text) > 1 and text[0] == text[-1] == "'"):
        text = "".join(_pieces(text))
    else:
        text = definition.strip() if match["escape"] is None else text
    return escape, text  # type: ignore[return-value]


def _pieces(text: str) -> list[str]:
    """The arguments of a directive, which nginx puts together."""
    pieces, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _QUOTED.match(text, at)
        if match is None:
            raise InputError(f"The log_format has a quote that does not end: {text[at : at + 40]!r}.", _MEND)
        piece = match[1] if match[1] is not None else match[2] if match[2] is not None else match[0]
        pieces.append(_CONFIGURATION_ESCAPE.sub(lambda found: _CONFIGURATION_ESCAPES.get(found[1], found[1]), piece))
        at = match.end()
    return pieces


def _parts(text: str, escape: Escape) -> tuple[list[_Part], str]:
    """The variables, each with the text before it and the pattern of its value; and the text after the last."""
    found = list(_VARIABLE.finditer(text))
    parts, at = [], 0
    for number, variable in enumerate(found):
        name = variable[1] or variable[2]
        following = found[number + 1] if number + 1 < len(found) else None
        after = text[variable.end() : following.start() if following is not None else None]
        parts.append(_Part(text[at : variable.start()], name, _pattern(name, after, following, escape)))
        at = variable.end()
    return parts, text[at:]


def _pattern(name: str, after: str, following: re.Match[str] | None, escape: Escape) -> str:
    """The pattern of a value: it ends where the text after it begins. Possessive, so that nothing is tried twice."""
    if not after:
        if following is None:
            return ".*+"
        if name in _SHORTEST:
            return _SHORTEST[name]
        following_name = following[1] or following[2]
        raise InputError(
            f"In the log_format ${name} and ${following_name} have no text between them.",
            "Put one there: a space, or a quote.",
        )
    if name.startswith("upstream_") and after[0] in " ,":
        return _LIST
    first, rest = re.escape(after[0]), re.escape(after[1:])
    if escape == "none":
        return rf"(?:[^{first}]|{first}(?!{rest}))*+"
    if after[0] == '"':  # a quote in the value is escaped
        return r'[^"\\]*+(?:\\.[^"\\]*+)*+'
    if not rest:
        return rf"[^\\{first}]*+(?:\\.[^\\{first}]*+)*+"
    return rf"(?:[^\\{first}]|\\.|{first}(?!{rest}))*+"
