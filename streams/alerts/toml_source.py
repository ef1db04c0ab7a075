"""A parsed TOML file whose errors name the line, the key and the value."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from halt400.errors import SettingError
from streams.detection.toml_lines import line_of

__all__ = ["Place", "TomlSource"]

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value."""


class TomlSource:
    """A file, parsed.

    Parameters
    ----------
    name
        How errors call it.

    Raises
    ------
    SettingError
        When the text is no TOML.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text
        try:
            self.document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingError(f"{name} is not TOML: {error}.", "Correct it; see https://toml.io.") from None

    @classmethod
    def read(cls, path: Path) -> "TomlSource":
        """Read a file.

        Raises
        ------
        SettingError
            When it cannot be read, or is no TOML.
        """
        try:
            return cls(path.name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingError(f"{path} cannot be read ({reason}).", "Name a file that exists, in UTF-8.") from error

    def error(self, place: Sequence[str | int], reason: str, mend: str, *, value: Any = None) -> SettingError:
        """Make the error that names the line of a key, or of the nearest table around it."""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        shown = f" = {value!r}" if value is not None else ""
        line = line_of(self._text, tuple(place))
        return SettingError(f"{self.name}, line {line}: {key}{shown}: {reason}.", mend)
