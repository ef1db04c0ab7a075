"""Checks of this machine: versions, the settings, each table of halt400.toml, the key of redaction."""

import difflib
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from halt400.errors import Halt400Error
from halt400.plural import plural
from streams.alerts.config import has_alerts, load_alerts
from streams.archive.redaction import redactor_of
from streams.doctor.check_result import CheckResult
from streams.processing.policy_file import PolicyFile
from streams.settings import Settings
from streams.settings.catalogue import catalogue

__all__ = ["check_settings"]

LIKENESS = 0.9
"""Of two names of variables: one or two letters differ."""
PARTS = ("halt400", "aiokafka", "faust-streaming")


def check_settings(settings: Settings) -> Iterator[CheckResult]:
    """Check what needs no other machine."""
    versions = ", ".join(f"{name} {version(name)}" for name in PARTS)
    yield CheckResult("versions", "ok", f"{versions}, Python {platform.python_version()}")
    changed = sum(entry.changed for entry in catalogue(settings))
    said = f"{changed} not at {'its default' if changed == 1 else 'their defaults'}, `halt400 settings --changed`"
    yield CheckResult("settings", "ok", f"read; {said if changed else 'all are at their defaults'}")
    yield from _check_names(settings)
    yield from _check_file(settings)
    yield _check_redaction(settings)


def _check_names(settings: Settings) -> Iterator[CheckResult]:
    """Warn of a variable whose name is nearly that of a setting; settings refuse what is wrong within a section."""
    known = {entry.variable for entry in catalogue(settings)}
    for variable in sorted(os.environ):
        name = variable.removesuffix("_FILE")
        near = difflib.get_close_matches(name, known, 1, LIKENESS) if name.startswith("HALT400_") else []
        if near and name not in known:
            yield CheckResult(
                "settings", "warning", f"{variable} is no setting: nobody reads it", f"Did you mean {near[0]}?"
            )


def _check_file(settings: Settings) -> Iterator[CheckResult]:
    path = settings.config.found
    try:
        rules = len(PolicyFile(settings).policies.rules)
        yield CheckResult("policies", "ok", f"{path or 'no halt400.toml'}: {plural(rules, 'rule')} besides the default")
        yield from _check_alerts(path)
    except Halt400Error as error:
        yield CheckResult("configuration", "failed", error.message, error.mend)


def _check_alerts(path: Path | None) -> Iterator[CheckResult]:
    if not has_alerts(path):
        yield CheckResult(
            "alerts",
            "warning",
            f"nobody is alerted: {f'{path} has no section [alerts]' if path else 'there is no halt400.toml here'}",
            "docs/alerts.md has what to write.",
        )
        return
    config = load_alerts(path)
    config.make_sinks(os.environ)
    routes, sinks = len(config.routing.routes), ", ".join(sorted(config.sinks))
    yield CheckResult("alerts", "ok", f"{plural(routes, 'route')} to {sinks}; their secrets are set")


def _check_redaction(settings: Settings) -> CheckResult:
    try:
        redactor_of(settings)
    except Halt400Error as error:
        return CheckResult("redaction", "failed", error.message, error.mend)
    if settings.archive.redaction_key is None:
        return CheckResult(
            "redaction",
            "warning",
            "this machine has a key of its own: another replaces the same secret with another token",
            "Set HALT400_ARCHIVE_REDACTION_KEY, the same on every machine.",
        )
    return CheckResult("redaction", "ok", "the rules are read, and the key is set")
