"""docs/alerts.md says what the code does."""

import re
import time
from pathlib import Path

import msgspec
import pytest

from streams.alerts import sink_settings
from streams.alerts.config import OwnerTable, RouteTable, parse_alerts
from streams.alerts.notification import Notification
from streams.alerts.signing import sign
from streams.detection import Finding
from streams.toml_file import TomlFile

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_file_that_works() -> None:
    (text,) = blocks("toml")
    config = parse_alerts(TomlFile("halt400.toml", text))
    assert [route.name for route in config.routing.routes] == ["pages", "shop-tickets"]


@pytest.mark.parametrize("table", [RouteTable, OwnerTable, *sink_settings.SinkSettings.__args__, Notification, Finding])
def test_every_key_is_explained(table: type[msgspec.Struct]) -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    missing = {field for field in table.__struct_fields__ if field not in named} - {"version", "digest", "raised"}
    assert not missing


def test_the_defaults_of_a_route_are_those_of_the_code() -> None:
    for field in msgspec.structs.fields(RouteTable):
        if isinstance(field.default, bool | int | float):
            shown = str(field.default).lower().removesuffix(".0")
            assert re.search(rf"^\| `{field.name}` \| `{shown}` \|", PAGE, re.MULTILINE), field.name


def test_the_receiver_in_the_page_takes_what_is_signed_and_nothing_else() -> None:
    (code,) = blocks("python")
    namespace: dict[str, object] = {}
    exec(code, namespace)
    is_genuine = namespace["is_genuine"]
    assert callable(is_genuine)
    now = int(time.time())
    headers = {"Halt400-Timestamp": str(now), "Halt400-Signature": sign("secret", now, b"{}")}
    assert is_genuine(b"secret", headers, b"{}")
    assert not is_genuine(b"other", headers, b"{}")
    assert not is_genuine(b"secret", headers, b"{ }")
    old = {"Halt400-Timestamp": str(now - 301), "Halt400-Signature": sign("secret", now - 301, b"{}")}
    assert not is_genuine(b"secret", old, b"{}")
