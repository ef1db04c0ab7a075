"""Finds breaking changes of a record: compares two JSON Schemas of the same version. Pure.

Within a version, records of older publishers must stay valid, and older readers must be able to read new records. So
optional fields and choices may be added, and bounds may be loosened. Everything else needs a new version.
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["breaking_changes"]

_LOWER_BOUNDS = ("minimum", "minLength", "minItems")
_UPPER_BOUNDS = ("maximum", "maxLength", "maxItems")


def breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Compare two schemas of the same record and version.

    Returns
    -------
    list of str
        One sentence per breaking change, each with the field's path; empty where all changes are additive.
    """
    return list(dict.fromkeys(_compare(old, new, old, new, "$", frozenset())))


def _compare(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    old_root: Mapping[str, Any],
    new_root: Mapping[str, Any],
    path: str,
    seen: frozenset[str],
) -> Iterator[str]:
    reference = old.get("$ref")
    if reference is not None:
        if reference in seen:
            return
        seen |= {reference}
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    old_choices, new_choices = _choices(old), _choices(new)
    if "null" in old_choices and "null" not in new_choices:
        yield f"{path} can no longer be null"
    old, new = _resolve(_not_null(old_choices, old), old_root), _resolve(_not_null(new_choices, new), new_root)
    if old.get("type") != new.get("type"):
        yield f"{path} was {old.get('type')} and becomes {new.get('type')}"
        return
    gone = [value for value in old.get("enum", ()) if value not in new.get("enum", (value,))]
    if gone:
        yield f"{path} can no longer be {', '.join(map(str, gone))}"
    if "enum" in new and "enum" not in old:
        yield f"{path} is restricted to {', '.join(map(str, new['enum']))}"
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"{path} must match another pattern"
    for names, tighter in ((_LOWER_BOUNDS, 1), (_UPPER_BOUNDS, -1)):
        for name in names:
            if name in new and (name not in old or tighter * (new[name] - old[name]) > 0):
                yield f"{path} has a tighter {name}"
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{path}.{name} becomes required"
    for name in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
        yield f"{path}.{name} is no longer always there"
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{path}.{name} is gone"
        else:
            yield from _compare(schema, new["properties"][name], old_root, new_root, f"{path}.{name}", seen)
    if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
        yield from _compare(old["items"], new["items"], old_root, new_root, f"{path}[]", seen)
    for place, (before, after) in enumerate(zip(old.get("prefixItems", ()), new.get("prefixItems", ()), strict=False)):
        yield from _compare(before, after, old_root, new_root, f"{path}[{place}]", seen)


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = root["$defs"][reference.rpartition("/")[2]]
    return found


def _choices(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(choice.get("type", choice.get("$ref"))): choice for choice in schema.get("anyOf", ())}


def _not_null(choices: Mapping[str, Mapping[str, Any]], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((choice for kind, choice in choices.items() if kind != "null"), schema)
