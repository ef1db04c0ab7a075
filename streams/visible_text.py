"""Makes visible what controls a terminal, forges a line of a log or turns the reading direction. Pure."""

import re

__all__ = ["visible_json", "visible_text"]

_BEYOND_ASCII = re.compile(r"[^\x20-\x7e]")


def visible_text(text: str, *, lines: bool = False) -> str:
    r"""Write control and format characters as their escapes; with `lines` line feeds and tabs stay.

    Examples
    --------
    >>> visible_text("a\x1b[31m\u202eb\n")
    'a\\x1b[31m\\u202eb\\n'
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(
        character if character.isprintable() or character in kept else ascii(character)[1:-1] for character in text
    )


def visible_json(document: str) -> str:
    """Write such characters of a JSON document as JSON's own escapes, so that it means the same; line feeds stay."""
    if document.isascii() and "\x7f" not in document:
        return document
    return _BEYOND_ASCII.sub(_escaped, document)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2]):04x}" for at in range(0, len(units), 2))
