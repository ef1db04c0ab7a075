"""A scanner that finds where JSON text breaks RFC 8259, and names the defect.

orjson decides what is valid, at C speed; this scanner reads only what orjson refused. It has its own stack, so that
deep nesting cannot exhaust that of Python.
"""

from __future__ import annotations

import orjson

from halt400.diagnosis.json_defects import STRING, DefectNamer, JsonDefect, before_parsing, nearby
from halt400.lazy_patterns import lazy_pattern

__all__ = ["JsonDefect", "scan"]

_FULL_SCAN_BYTES = 1 << 18

_WS = lazy_pattern(rb"[ \t\n\r]*+")
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_PLAIN = rb"(?:" + STRING + rb"|" + _NUMBER + rb"|true|false|null)"
_FLAT = rb"\[[ \t\n\r]*+(?:" + _PLAIN + rb"[ \t\n\r]*+,[ \t\n\r]*+)*+" + _PLAIN + rb"[ \t\n\r]*+\]"
_SCALAR_TEXT = rb"(?:" + _PLAIN + rb"|\[[ \t\n\r]*+\]|\{[ \t\n\r]*+\}|" + _FLAT + rb")"
_END = rb"(?=[ \t\n\r,\]}:]|$|[\"'\[{/#])"
_SCALAR = lazy_pattern(_SCALAR_TEXT + _END)
_KEY = lazy_pattern(STRING)
# Runs of whole elements, skipped at C speed: `1, 2, ` and `"a": 1, `.
_ELEMENTS = lazy_pattern(rb"(?:[ \t\n\r]*+" + _SCALAR_TEXT + rb"[ \t\n\r]*+,)*+")
_MEMBERS = lazy_pattern(rb"(?:[ \t\n\r]*+" + STRING + rb"[ \t\n\r]*+:[ \t\n\r]*+" + _SCALAR_TEXT + rb"[ \t\n\r]*+,)*+")
_OPEN_RUN = lazy_pattern(rb"\[(?:[ \t\n\r]*+\[)*+")


def scan(data: bytes, position: int | None = None) -> JsonDefect | None:
    r"""Find the first defect of `data`; None where it is JSON.

    Parameters
    ----------
    data
        The text.
    position
        Where orjson stopped, if the caller has tried it already.

    Examples
    --------
    >>> scan(b'{"a": [1, 2]}') is None
    True
    >>> scan(b'{"a": [1, 2,]}').kind
    'trailing_comma'
    >>> scan(b"{'a': 1}").detail
    'A key is in single quotes; JSON knows only double quotes.'
    """
    if position is None:
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError as error:
            position = error.pos
        else:
            return None
    early = before_parsing(data)
    if early is not None:
        return early
    if len(data) > _FULL_SCAN_BYTES:
        offset = min(position, len(data))
        found = _Scanner(data[: offset + 4096]).run() if offset < _FULL_SCAN_BYTES - 4096 else None
        if found is not None and abs(found.offset - offset) < 64:
            return found
        return JsonDefect("malformed", offset, nearby(data, offset))
    return _Scanner(data).run()


class _Scanner(DefectNamer):
    """One pass with an explicit stack of open brackets and the offset of each."""

    def run(self) -> JsonDefect | None:
        data, at = self.data, 0
        size = len(data)
        state = "value"  # value | first | key | first_key | after
        while True:
            if state == "value" and self.stack and self.stack[-1] == 0x5B:
                skipped = _ELEMENTS.match(data, at)
                if skipped is not None:
                    at = skipped.end()
            elif state == "key":
                skipped = _MEMBERS.match(data, at)
                if skipped is not None:
                    at = skipped.end()
            at = _WS.match(data, at).end()  # type: ignore[union-attr]
            if at >= size:
                return self._end(state)
            byte = data[at]
            if state in ("value", "first"):
                if state == "first" and byte == 0x5D:
                    self._close()
                    at, state = at + 1, "after"
                    continue
                if byte == 0x5B:
                    at, state = self._open_arrays(at), "first"
                    continue
                if byte == 0x7B:
                    self.stack.append(0x7B)
                    self.opened.append(at)
                    at, state = at + 1, "first_key"
                    continue
                scalar = _SCALAR.match(data, at)
                if scalar is None:
                    return self._value(at)
                at, state = scalar.end(), "after"
            elif state in ("key", "first_key"):
                if state == "first_key" and byte == 0x7D:
                    self._close()
                    at, state = at + 1, "after"
                    continue
                key = _KEY.match(data, at)
                if key is None:
                    return self._key(at)
                colon = _WS.match(data, key.end()).end()  # type: ignore[union-attr]
                if data[colon : colon + 1] != b":":
                    return self._colon(colon)
                at, state = colon + 1, "value"
            else:
                if not self.stack:
                    return self._extra(at)
                if byte == 0x2C:
                    at, state = at + 1, ("key" if self.stack[-1] == 0x7B else "value")
                elif byte in (0x5D, 0x7D):
                    if (byte == 0x5D) != (self.stack[-1] == 0x5B):
                        return self._mismatch(at)
                    self._close()
                    at += 1
                else:
                    return self._after(at)

    def _open_arrays(self, at: int) -> int:
        """Open the run of arrays that starts at `at`; the end of the run."""
        run = _OPEN_RUN.match(self.data, at)
        end = run.end() if run is not None else at + 1
        count = self.data.count(b"[", at, end)
        self.stack.extend(b"[" * count)
        self.opened.extend([at] * count)
        return end

    def _mismatch(self, at: int) -> JsonDefect:
        closer, opener = chr(self.data[at]), chr(self.stack[-1])
        detail = f"{closer!r} closes here, but {opener!r} is open (byte {self.opened[-1]})."
        return JsonDefect("bracket_mismatch", at, detail)

    def _close(self) -> None:
        self.stack.pop()
        self.opened.pop()

    def _end(self, state: str) -> JsonDefect | None:
        if not self.stack and state == "after":
            return None
        size = len(self.data)
        if not self.stack:
            return JsonDefect("truncated", size, "The body ends before a value.", 0)
        opener = chr(self.stack[-1])
        return JsonDefect(
            "truncated",
            size,
            f"The body ends while {opener!r} from byte {self.opened[-1]} is open ({len(self.stack)} open in all).",
            0,
        )
