"""Imports point one way, and pure code stays pure: no Kafka, no network, no environment, no clock."""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

PURE = (
    "halt400.body_shapes",
    "halt400.client_values",
    "halt400.diagnosis",
    "halt400.errors",
    "halt400.exchanges.access_log",
    "halt400.client_objects",
    "halt400.exchanges.collections",
    "halt400.exchanges.curl",
    "halt400.exchanges.fetch",
    "halt400.exchanges.for_diagnosis",
    "halt400.exchanges.har",
    "halt400.exchanges.insomnia_exports",
    "halt400.exchanges.alb",
    "halt400.exchanges.caddy",
    "halt400.exchanges.envoy",
    "halt400.exchanges.json_lines",
    "halt400.exchanges.log_format",
    "halt400.exchanges.log_lines",
    "halt400.exchanges.mitmproxy_flows",
    "halt400.exchanges.names",
    "halt400.exchanges.nginx",
    "halt400.exchanges.raw",
    "halt400.exchanges.recorded",
    "halt400.exchanges.request_line",
    "halt400.exchanges.squid",
    "halt400.fingerprints",
    "halt400.gate.commands",
    "halt400.guard.local_breaker",
    "halt400.lazy_patterns",
    "halt400.plural",
    "halt400.kafka.latest",
    "halt400.record_fields",
    "halt400.records",
    "halt400.redaction",
    "halt400.url_templates",
    "halt400.windows",
    "streams.alerts.compose",
    "streams.alerts.finding_texts",
    "streams.alerts.incident",
    "streams.alerts.incident_index",
    "streams.alerts.incident_updates",
    "streams.alerts.incidents",
    "streams.alerts.joining",
    "streams.alerts.notification",
    "streams.alerts.notification_texts",
    "streams.alerts.routing",
    "streams.alerts.signing",
    "streams.alerts.text",
    "streams.visible_text",
    "streams.archive.body_limits",
    "streams.archive.expected",
    "streams.archive.har",
    "streams.archive.object_names",
    "halt400.exchanges.resend",
    "streams.archive.sampling",
    "streams.contracts.compatibility",
    "streams.dead_letters.refused_record",
    "streams.doctor.check_result",
    "streams.contracts.json_schemas",
    "streams.detection",
    "streams.fleet_cap",
    "streams.operations.command_log",
    "streams.operations.request",
    "streams.page.texts",
    "streams.processing.context",
    "streams.processing.decoding",
    "streams.processing.envelopes",
    "streams.packed",
    "streams.processing.event_runs",
    "streams.processing.learning_pace",
    "streams.processing.outcome",
    "streams.processing.partition",
    "streams.processing.target",
    "streams.processing.target_store",
    "streams.quarantine",
    "streams.replay.retiming",
    "streams.toml_file",
)
"""Modules, and packages with all that is in them. Of our own they may import one another, nothing else."""

NOT_IN_HALT400 = ("streams", "faust", "mode", "boto3", "botocore", "aiohttp")
CLIENTS = ("aiohttp",)
"""Of those, what an integration of it may import."""
NOT_IN_PURE = (
    "aiohttp",
    "aiokafka",
    "asyncio",
    "boto3",
    "botocore",
    "faust",
    "httpx",
    "os.environ",
    "os.getenv",
    "random",
    "requests",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "urllib.request",
    "uuid",
)
CLOCKS = (
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.sleep",
    "time.time",
    "time.time_ns",
)


ROOMS = (
    "cli",
    "contracts",
    "demo",
    "doctor",
    "worker",
    "page",
    "api",
    "alerts",
    "rebuild",
    "dead_letters",
    "replay",
    "processing",
    "archive",
    "operations",
    "fleet_cap",
    "detection",
    "savings",
    "tracing",
    "logs",
    "quarantine",
    "transport",
    "local",
    "processes",
    "topics",
    "settings",
    "toml_file",
    "metrics",
    "packed",
    "visible_text",
)
"""What stands at the top of `streams`: each imports only what comes after it. docs/architecture.md draws it."""

SDK_ROOMS = (
    "__main__",
    "cli",
    "tail",
    "integrations",
    "guard",
    "sync",
    "gate",
    "publisher",
    "rates",
    "operations",
    "kafka",
    "preflight",
    "client_objects",
    "diagnosis",
    "exchanges",
    "proxies",
    "fingerprints",
    "body_shapes",
    "url_templates",
    "redaction",
    "lazy_patterns",
    "windows",
    "events",
    "client_values",
    "record_fields",
    "tracing",
    "signing",
    "errors",
    "records",
    "plural",
    "backoff",
    "forks",
    "start_stop",
    "state_dir",
)
"""The same for `halt400`."""

ROOMS_OF = {"streams": ROOMS, "halt400": SDK_ROOMS}

MOST_MODULES_AT_THE_TOP = 8


def within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of these or lies in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def room(name: str) -> tuple[str, str] | None:
    """The package and the folder or module at its top that a dotted name lies in."""
    parts = name.split(".")
    return (parts[0], parts[1]) if parts[0] in ROOMS_OF and len(parts) > 1 else None


def stands_above(name: str, module: str) -> bool:
    """Whether a module must not import a name, for it lies in a room of the same package that stands above its own."""
    here, there = room(module), room(name)
    if here is None or there is None or here == there or here[0] != there[0]:
        return False
    rooms = ROOMS_OF[here[0]]
    if here[1] not in rooms:
        return False
    return there[1] not in rooms[rooms.index(here[1]) :]


def names_used(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Every name that a module imports, and every dotted name that it reaches through an import, with its line."""
    tree = ast.parse(source)
    parent = module if is_package else module.rpartition(".")[0]
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = parent.split(".")[: len(parent.split(".")) - (node.level - 1)]
                origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{origin}.{alias.name}"
                yield node.lineno, f"{origin}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            path = [node.attr]
            inner: ast.expr = node.value
            while isinstance(inner, ast.Attribute):
                path.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in bound:
                yield node.lineno, ".".join([bound[inner.id], *reversed(path)])


def breaches(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What a module's source does that it must not."""
    found = []
    for line, name in names_used(source, module, is_package=is_package):
        integrated = within(module, ("halt400.integrations",)) and within(name, CLIENTS)
        if within(module, ("halt400",)) and within(name, NOT_IN_HALT400) and not integrated:
            found.append(f"{module}:{line}: halt400 must not import {name}")
        if stands_above(name, module):
            found.append(f"{module}:{line}: must not import {name}, which stands above it")
        if within(module, PURE):
            if within(name, NOT_IN_PURE) or within(name, CLOCKS):
                found.append(f"{module}:{line}: pure code must not use {name}")
            ours = within(name, ("halt400", "streams"))
            if ours and not within(name, PURE):
                found.append(f"{module}:{line}: pure code must not import {name}, which is not pure")
    return sorted(set(found))


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("halt400", "streams"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_imports_point_one_way() -> None:
    found = [breaches(path.read_text(), module, is_package=path.name == "__init__.py") for module, path in modules()]
    assert list(chain.from_iterable(found)) == []


def test_every_room_of_streams_has_its_place_and_few_are_single_modules() -> None:
    """A new module at the top is refused: it belongs to a folder, or `ROOMS` and docs/architecture.md say why not."""
    top = [path for path in (REPOSITORY / "streams").iterdir() if not path.name.startswith(("__pycache__", "."))]
    assert {path.stem for path in top if path.name not in ("__init__.py", "py.typed")} == set(ROOMS)
    assert sum(path.suffix == ".py" for path in top) <= MOST_MODULES_AT_THE_TOP


def test_every_room_of_halt400_has_its_place() -> None:
    top = [path for path in (REPOSITORY / "halt400").iterdir() if not path.name.startswith(("__pycache__", "."))]
    assert {path.stem for path in top if path.name not in ("__init__.py", "py.typed")} == set(SDK_ROOMS)


def test_what_is_listed_as_pure_exists() -> None:
    names = [module for module, _ in modules()]
    assert [pure for pure in PURE if not any(within(name, (pure,)) for name in names)] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("halt400.publisher", "import streams"),
        ("halt400.publisher", "from streams.settings import Settings"),
        ("halt400.gate", "def f():\n    import faust"),
        ("halt400.guard.owners", "import aiohttp"),
        ("halt400.gate", "from boto3.session import Session"),
        ("halt400.records", "import aiokafka"),
        ("halt400.diagnosis.cause", "from socket import create_connection"),
        ("halt400.windows", "import time\ntime.time()"),
        ("halt400.windows", "from time import monotonic"),
        ("halt400.windows", "import time as clock\nclock.time_ns()"),
        ("halt400.windows", "from datetime import datetime\ndatetime.now()"),
        ("halt400.windows", "import datetime as dt\ndt.datetime.now(dt.UTC)"),
        ("halt400.fingerprints", "import os\nos.environ['A']"),
        ("halt400.fingerprints", "from os import getenv"),
        ("streams.detection.policy", "from halt400.publisher import Publisher"),
        ("streams.detection.policy", "from ..settings import load_settings"),
        ("streams.detection", "from streams import settings"),
        ("streams.archive.har", "from streams.worker.run import run_worker"),
        ("streams.transport.consumer", "from streams.processing.engine import Engine"),
        ("streams.api.app", "import streams.cli.output"),
        ("halt400.kafka.follower", "from halt400.gate import Gate"),
        ("halt400.gate.gate", "from halt400 import Publisher"),
    ],
)
def test_a_breach_is_found(module: str, source: str) -> None:
    assert breaches(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("halt400.windows", "import datetime\ndatetime.datetime.fromtimestamp(0, datetime.UTC)"),
        ("halt400.windows", "import os.path\nos.path.join('a', 'b')"),
        ("halt400.publisher", "import aiokafka, time\ntime.time()"),
        ("halt400.records", "import streams_of_consciousness"),
        ("streams.detection.policy", "from halt400.records import Command\nfrom .lifecycle import open"),
        ("streams.worker.run", "import faust, boto3, halt400"),
        ("halt400.integrations.aiohttp", "import aiohttp"),
        ("halt400.gate.gate", "from halt400.kafka.follower import Follower\nfrom .commands import KnownCommands"),
    ],
)
def test_what_is_allowed_is_not_a_breach(module: str, source: str) -> None:
    assert breaches(source, module) == []
