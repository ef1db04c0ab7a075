"""Regular expressions that are compiled when they are first used: most commands and workers need few of the tables."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

__all__ = ["lazy_pattern"]


_OWN = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split", "pattern", "flags")


class _LazyPattern:
    """Stands for a compiled pattern; from the first use on its methods are those of the pattern itself."""

    def __init__(self, source: str | bytes, flags: int) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = re.compile(self._source, self._flags)
        for method in (
            "search",
            "match",
            "fullmatch",
            "finditer",
            "findall",
            "sub",
            "subn",
            "split",
            "pattern",
            "flags",
        ):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def lazy_pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    r"""Like `re.compile`, at the first use.

    Examples
    --------
    >>> digits = lazy_pattern(r"\d+")
    >>> digits.search("page 42")[0], digits.findall("1 2")
    ('42', ['1', '2'])
    """
    return cast("re.Pattern[AnyStr]", _LazyPattern(source, flags))
