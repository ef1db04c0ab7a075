"""What a scraper imports: every public name is at hand, and none of it costs the service's weight."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import halt400

INTERNAL = {
    "BODY_LIMIT_BYTES",
    "SaslMechanism",
    "Security",
    "counts_at",
    "end_of_window_ms",
    "kept_from_ms",
    "proxy_id_of",
    "security_of",
}
SDK = (
    "errors",
    "events",
    "gate",
    "kafka.connection",
    "kafka.follower",
    "proxies",
    "publisher",
    "rates",
    "publisher.sampling",
    "sync",
)


@pytest.mark.parametrize("module", SDK)
def test_every_public_name_of_the_sdk_is_exported(module: str) -> None:
    found = import_module(f"halt400.{module}")
    for name in set(found.__all__) - INTERNAL:
        assert name in halt400.__all__, f"halt400.{name} is missing"
        assert getattr(halt400, name) is getattr(found, name)


def test_every_exported_name_can_be_imported_and_is_known_to_type_checkers() -> None:
    tree = ast.parse(Path(str(halt400.__file__)).read_text())
    typed = {
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert typed == set(halt400.__all__) == set(halt400.__all__) & set(dir(halt400))
    assert halt400.__all__ == sorted(halt400.__all__)
    for name in halt400.__all__:
        assert getattr(halt400, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        halt400.nonsense  # noqa: B018


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_halt400_loads_nothing_but_itself() -> None:
    assert not {"aiokafka", "msgspec", "orjson", "httpx", "asyncio"} & modules_after("import halt400")


@pytest.mark.slow
def test_the_sdk_never_loads_the_service_or_its_dependencies() -> None:
    everything = f"from halt400 import {', '.join(halt400.__all__)}"
    heavy = {"streams", "faust", "boto3", "aiohttp", "httpx", "pydantic", "typer", "rich"}
    assert not heavy & modules_after(everything)
