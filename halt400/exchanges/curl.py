"""A curl command line, as browsers' "Copy as cURL" and documentation write it (https://curl.se/docs/manpage.html).

Pure: the command is read, never run, and a file behind ``@`` is not opened.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import quote_plus

from halt400.errors import InputError
from halt400.exchanges.recorded import RecordedExchange
from halt400.records import Header, Request

__all__ = ["read_curl", "shell_words"]

_WITH_VALUE = frozenset(
    """
    -X --request -H --header -d --data --data-raw --data-binary --data-ascii --data-urlencode --json -F --form
    --form-string -A --user-agent -e --referer -b --cookie -u --user --url -o --output -x --proxy -m --max-time
    --connect-timeout --retry -c --cookie-jar -w --write-out -E --cert --key --cacert --resolve -T --upload-file
    -r --range --oauth2-bearer --proxy-user -U --interface --ciphers --limit-rate -K --config --proxy-header
    --connect-to --max-redirs --dns-servers --aws-sigv4 -D --dump-header --retry-delay --unix-socket --tls-max
    --cert-type --url-query -Y -y -z --time-cond -C --continue-at --request-target --haproxy-clientip
    """.split()  # noqa: SIM905
)
_SHORT_WITH_VALUE = frozenset("XHdFAebuoxmcwETrUKDYyzC")
_VERSIONS = {
    "--http1.0": "1.0",
    "-0": "1.0",
    "--http1.1": "1.1",
    "--http2": "2",
    "--http2-prior-knowledge": "2",
    "--http3": "3",
}
_ANSI = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
    "0": "\0",
    "?": "?",
}
_ANSI_CODE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|(.))", re.DOTALL
)
_BOUNDARY = "------------------------halt400curlform"
_LIMIT = 20_000


def shell_words(text: str) -> list[str]:
    r"""Split a command line as a POSIX shell does, with ``$'...'`` of bash, as Chrome writes it.

    Raises
    ------
    InputError
        When a quote is not closed.

    Examples
    --------
    >>> shell_words("curl 'a b' \\\n $'c\\u0041'")
    ['curl', 'a b', 'cA']
    """
    words: list[str] = []
    current: list[str] | None = None
    at = 0
    while at < len(text) and len(words) < _LIMIT:
        character = text[at]
        if character in " \t\r\n":
            if current is not None:
                words.append("".join(current))
                current = None
            at += 1
            continue
        if character == "\\" and at + 1 < len(text):
            if text[at + 1] in "\r\n":
                at += 3 if text[at + 1 : at + 3] == "\r\n" else 2
                continue
            current = [] if current is None else current
            current.append(text[at + 1])
            at += 2
            continue
        current = [] if current is None else current
        if character == "'":
            end = _closing(text, "'", at + 1)
            current.append(text[at + 1 : end])
            at = end + 1
        elif character == '"':
            piece, at = _double_quoted(text, at + 1)
            current.append(piece)
        elif text.startswith("$'", at):
            piece, at = _ansi_quoted(text, at + 2)
            current.append(piece)
        else:
            plain = re.compile(r"[^\s\\'\"$]+|\$").match(text, at)
            current.append(plain[0] if plain is not None else character)
            at += len(plain[0]) if plain is not None else 1
    if current is not None:
        words.append("".join(current))
    return words


def _closing(text: str, quote: str, at: int) -> int:
    end = text.find(quote, at)
    if end < 0:
        raise InputError("The curl command has a quote that is not closed.", "Copy the whole command.")
    return end


def _double_quoted(text: str, at: int) -> tuple[str, int]:
    found = re.compile(r'((?:[^"\\]|\\.)*+)"', re.DOTALL).match(text, at)
    if found is None:
        raise InputError("The curl command has a quote that is not closed.", "Copy the whole command.")
    return re.sub(r'\\([$`"\\])|\\\n', r"\1", found[1]), found.end()


def _ansi_quoted(text: str, at: int) -> tuple[str, int]:
    found = re.compile(r"((?:[^'\\]|\\.)*+)'", re.DOTALL).match(text, at)
    if found is None:
        raise InputError("The curl command has a quote that is not closed.", "Copy the whole command.")

    def decode(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code is not None:
            return chr(min(int(code, 16), 0x10FFFF))
        return chr(int(match[4], 8) & 0xFF) if match[4] is not None else _ANSI.get(match[5], "\\" + match[5])

    return _ANSI_CODE.sub(decode, found[1]), found.end()


def read_curl(data: bytes) -> RecordedExchange:
    """Read a curl command as the request that it would send.

    Raises
    ------
    InputError
        When it is no curl command or names no URL.

    Examples
    --------
    >>> request = read_curl(b"curl https://a.example/ -H 'Content-Type: application/json' -d '{}'").request
    >>> request.method, request.body
    ('POST', '{}')
    """
    text = data.decode("utf-8", "replace").strip().removeprefix("$ ")
    if '^"' in text or "^\n" in text.replace("\r", ""):  # "Copy as cURL (cmd)"
        text = re.sub(r"\^(\r?\n|.)", lambda match: " " if match[1].strip() == "" else match[1], text)
    words = shell_words(text)
    if not words or not re.fullmatch(r"(?:.*[/\\])?curl(?:\.exe)?", words[0]):
        raise InputError("The input is no curl command.", "It starts with curl.")
    command = _Command()
    command.read(words[1:])
    return RecordedExchange(where="curl", request=command.request())


class _Command:
    """The options of one command, gathered."""

    def __init__(self) -> None:
        self.url = ""
        self.method = ""
        self.headers: list[Header] = []
        self.data: list[str] = []
        self.form: list[tuple[str, str]] = []
        self.version = "1.1"
        self.get = self.head = self.is_json = self.unread = self.upload = False

    def read(self, words: list[str]) -> None:
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            name, value = word, None
            if word.startswith("--") and word in _WITH_VALUE:
                value = words[at] if at < len(words) else ""
                at += 1
            elif word.startswith("-") and not word.startswith("--") and len(word) > 1:
                place = next((i for i, c in enumerate(word[1:], 1) if c in _SHORT_WITH_VALUE), None)
                for flag in word[1:place]:
                    self._flag(f"-{flag}")
                if place is None:
                    continue
                name = f"-{word[place]}"
                value = word[place + 1 :]
                if not value:
                    value = words[at] if at < len(words) else ""
                    at += 1
            if value is not None:
                self._option(name, value)
            elif word.startswith("-"):
                self._flag(word)
            elif not self.url:
                self.url = word

    def _flag(self, name: str) -> None:
        if name in _VERSIONS:
            self.version = _VERSIONS[name]
        elif name in ("-G", "--get"):
            self.get = True
        elif name in ("-I", "--head"):
            self.head = True
        elif name == "--compressed":
            self.headers.append(("Accept-Encoding", "deflate, gzip, br, zstd"))

    def _option(self, name: str, value: str) -> None:
        if name in ("-X", "--request"):
            self.method = value
        elif name in ("-H", "--header"):
            self._header(value)
        elif name in ("-d", "--data", "--data-ascii", "--data-binary", "--json") and value.startswith("@"):
            self.unread = True
            self.is_json = self.is_json or name == "--json"
        elif name in ("-d", "--data", "--data-ascii", "--data-binary", "--data-raw"):
            self.data.append(value)
        elif name == "--json":
            self.is_json = True
            self.data.append(value)
        elif name == "--data-urlencode":
            key, equals, text = value.partition("=")
            self.data.append(f"{key}={quote_plus(text)}" if equals and key else quote_plus(text or key))
        elif name in ("-F", "--form", "--form-string"):
            key, _, text = value.partition("=")
            self.form.append((key, text))
        elif name == "--url":
            self.url = value
        elif name in ("-T", "--upload-file"):
            self.upload = self.unread = True
        else:
            self._identity(name, value)

    def _identity(self, name: str, value: str) -> None:
        fields = {
            "-A": "User-Agent",
            "--user-agent": "User-Agent",
            "-e": "Referer",
            "--referer": "Referer",
            "-r": "Range",
            "--range": "Range",
        }
        if name in fields:
            self.headers.append((fields[name], f"bytes={value}" if fields[name] == "Range" else value))
        elif name in ("-b", "--cookie") and "=" in value:
            self.headers.append(("Cookie", value))
        elif name in ("-u", "--user"):
            token = base64.b64encode(value.encode("utf-8", "replace")).decode("ascii")
            self.headers.append(("Authorization", f"Basic {token}"))
        elif name == "--oauth2-bearer":
            self.headers.append(("Authorization", f"Bearer {value}"))

    def _header(self, line: str) -> None:
        name, colon, value = line.partition(":")
        if line.startswith(":"):
            second, colon, value = line[1:].partition(":")
            name = f":{second}"
        if colon:
            if value.strip(" \t"):
                self.headers.append((name, value.strip(" \t")))
        elif line.endswith(";"):
            self.headers.append((line[:-1], ""))

    def request(self) -> Request:
        if not self.url:
            raise InputError("The curl command names no URL.", "Copy the whole command.")
        url = (
            self.url if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", self.url) and "://" in self.url else f"http://{self.url}"
        )
        body: str | None = "&".join(self.data) if self.data else None
        if self.get and body is not None:
            url, body = f"{url}{'&' if '?' in url else '?'}{body}", None
        names = {name.lower() for name, _ in self.headers}
        headers = list(self.headers)
        if self.form and body is None:
            body = self._multipart()
            self.unread = self.unread or body is None
            # curl appends its boundary to the type that the user names, whatever that is.
            named = next((value for name, value in headers if name.lower() == "content-type"), "multipart/form-data")
            headers = [header for header in headers if header[0].lower() != "content-type"]
            headers.append(("Content-Type", f"{named}; boundary={_BOUNDARY}"))
        elif (body is not None or self.unread) and "content-type" not in names and not self.upload:
            headers.append(
                ("Content-Type", "application/json" if self.is_json else "application/x-www-form-urlencoded")
            )
        default = (
            "HEAD" if self.head else "PUT" if self.upload else "POST" if body is not None or self.unread else "GET"
        )
        return Request(method=self.method or default, url=url, http_version=self.version, headers=headers, body=body)

    def _multipart(self) -> str | None:
        if any(text.startswith(("@", "<")) for _, text in self.form):
            return None
        parts = [
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}\r\n'
            for key, text in self.form
        ]
        return "".join(parts) + f"--{_BOUNDARY}--\r\n"
