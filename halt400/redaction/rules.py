"""The redaction rules that an operator adds to the built-in ones: the table ``[redaction]`` of ``halt400.toml``."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from halt400.errors import SettingError

__all__ = ["RedactionRules"]


class RedactionRules(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Additions to the built-in rules. Names match in any spelling: ``shop-pin``, ``shopPin`` and ``SHOP_PIN``.

    Parameters
    ----------
    header_names
        Headers whose whole value is a secret.
    parameter_names
        Names in queries, forms, JSON, XML and text whose value is a secret.
    patterns
        Regular expressions of Python's `re`. Group 1 is the secret, or the whole match where there is no group.
    keep_names
        Names that are no secret although the built-in rules say so. `Authorization`, `Proxy-Authorization`, `Cookie`
        and `Set-Cookie` cannot be kept.
    """

    header_names: tuple[str, ...] = ()
    parameter_names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    keep_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            try:
                matches_nothing = re.compile(pattern).match("") is not None
            except re.error as error:
                raise SettingError(
                    f"redaction.patterns holds {pattern!r}, which is no regular expression: {error}.",
                    "Correct it in halt400.toml; the syntax is that of Python's re.",
                ) from None
            if matches_nothing:
                raise SettingError(
                    f"redaction.patterns holds {pattern!r}, which matches the empty text.",
                    "Make it match at least one character.",
                )
        for field in ("header_names", "parameter_names", "keep_names"):
            for name in getattr(self, field):
                if not re.search(r"[A-Za-z0-9]", name):
                    raise SettingError(
                        f"redaction.{field} holds {name!r}, which has no letter or digit.", "Remove or correct it."
                    )

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "RedactionRules":
        """The rules of a parsed TOML table.

        Raises
        ------
        SettingError
            When a setting is unknown or of the wrong type.

        Examples
        --------
        >>> RedactionRules.from_table({"parameter_names": ["shop_pin"]}).parameter_names
        ('shop_pin',)
        """
        try:
            return msgspec.convert(dict(table), cls)
        except msgspec.ValidationError as error:
            raise SettingError(
                f"The table [redaction] of halt400.toml is wrong: {error}.",
                "Known are header_names, parameter_names, patterns and keep_names, each a list of texts.",
            ) from None
