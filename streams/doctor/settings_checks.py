"""Checks of this machine: versions, the settings, each table of halt400.toml, the key of redaction."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from halt400.errors import Halt400Error
from streams.alerts.config import has_alerts, load_alerts
from streams.archive.redaction import redactor_of
from streams.doctor.check_result import CheckResult
from streams.processing.policy_file import PolicyFile
from streams.settings import Settings
from streams.settings.catalogue import catalogue

__all__ = ["check_settings"]

PARTS = ("halt400", "aiokafka", "faust-streaming")


def check_settings(settings: Settings) -> Iterator[CheckResult]:
    """Check what needs no other machine."""
    versions = ", ".join(f"{name} {version(name)}" for name in PARTS)
    yield CheckResult("versions", "ok", f"{versions}, Python {platform.python_version()}")
    changed = sum(entry.changed for entry in catalogue(settings))
    yield CheckResult("settings", "ok", f"read; {changed} not at their defaults, `halt400 settings --changed`")
    yield from _check_file(settings)
    yield _check_redaction(settings)


def _check_file(settings: Settings) -> Iterator[CheckResult]:
    path = settings.config.found
    try:
        rules = len(PolicyFile(settings).policies.rules)
        yield CheckResult("policies", "ok", f"{path or 'no halt400.toml'}: {rules} rules besides the default")
        yield from _check_alerts(path)
    except Halt400Error as error:
        yield CheckResult("configuration", "failed", error.message, error.mend)


def _check_alerts(path: Path | None) -> Iterator[CheckResult]:
    if not has_alerts(path):
        yield CheckResult(
            "alerts",
            "warning",
            f"nobody is alerted: {path or 'halt400.toml'} has no section [alerts]",
            "docs/alerts.md has what to write.",
        )
        return
    config = load_alerts(path)
    config.make_sinks(os.environ)
    routes, sinks = len(config.routing.routes), ", ".join(sorted(config.sinks))
    yield CheckResult("alerts", "ok", f"{routes} routes to {sinks}; their secrets are set")


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
