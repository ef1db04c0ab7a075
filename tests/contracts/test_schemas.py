import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from halt400.record_fields import FIELDS
from halt400.records import OTEL_ATTRIBUTES
from streams.contracts import __main__ as command
from streams.contracts.compatibility import breaking_changes
from streams.contracts.documents import REPOSITORY, documents, read_examples
from streams.contracts.json_schemas import CONTRACTS, RecordContract, json_schema

EXAMPLES = [
    pytest.param(contract, value, id=f"{contract.name}/{name}")
    for contract in CONTRACTS
    for name, value in read_examples()[contract.name]
]
EVENT = next(contract for contract in CONTRACTS if contract.name == "response-event")


@pytest.mark.parametrize("path", documents())
def test_the_committed_documents_are_up_to_date(path: str) -> None:
    assert (REPOSITORY / path).read_text() == documents()[path], "run `python -m streams.contracts`"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_schema_is_valid_and_every_record_has_examples(contract: RecordContract) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(contract))
    assert len(read_examples()[contract.name]) >= 2


@pytest.mark.parametrize(("contract", "value"), EXAMPLES)
def test_every_example_passes_its_schema_and_the_decoder_that_runs(contract: RecordContract, value: Any) -> None:
    jsonschema.Draft202012Validator(json_schema(contract)).validate(value)
    record = msgspec.json.decode(json.dumps(value), type=contract.record)
    jsonschema.Draft202012Validator(json_schema(contract)).validate(json.loads(msgspec.json.encode(record)))
    assert msgspec.json.decode(msgspec.json.encode(record), type=contract.record) == record


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", None),
        ("id", ""),
        ("target", "a" * 256),
        ("time", -1),
        ("time", "2025-12-11T05:48:20Z"),
        ("version", 2),
        ("response.status", 99),
        ("response.status", 600),
        ("response.status", "400"),
        ("request.headers", {"Accept": "*/*"}),
        ("request.headers", [["Accept"]]),
        ("request.url", ""),
        ("attempt", 0),
        ("duration_ms", -0.5),
        ("proxy", "de-fra-017"),
    ],
)
def test_what_the_decoder_refuses_the_schema_refuses(path: str, value: Any) -> None:
    event = copy.deepcopy(dict(read_examples()["response-event"])["bad-request"])
    *parents, name = path.split(".")
    place = event
    for parent in parents:
        place = place[parent]
    place[name] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(event), type=EVENT.record)
    assert not jsonschema.Draft202012Validator(json_schema(EVENT)).is_valid(event)


@pytest.mark.parametrize(
    ("target", "good"),
    [
        ("api.shop.example", True),
        ("maps.example:8443", True),
        ("räksmörgås.example", True),
        ("x", True),
        ("two words", True),
        ("api.shop.example/v1", False),
        (" api.shop.example", False),
        ("api.shop\n.example", False),
        ("a\tb", False),
    ],
)
def test_a_target_that_the_service_would_refuse_is_refused_by_the_schema(target: str, good: bool) -> None:
    event = dict(read_examples()["response-event"])["minimal"] | {"target": target}
    assert jsonschema.Draft202012Validator(json_schema(EVENT)).is_valid(event) is good


def test_every_field_of_every_record_is_described_and_no_other() -> None:
    found: dict[str, set[str]] = {}
    for contract in CONTRACTS:
        for name, definition in msgspec.json.schema(contract.record)["$defs"].items():
            found[name] = set(definition["properties"])
    assert {name: set(fields) for name, fields in FIELDS.items()} == found


def test_every_opentelemetry_name_is_in_the_schema() -> None:
    text = (REPOSITORY / "schemas" / EVENT.path).read_text()
    for attribute in OTEL_ATTRIBUTES.values():
        assert f"OpenTelemetry: {attribute}." in text


def test_the_examples_of_the_readme_exist() -> None:
    readme = REPOSITORY / "schemas" / "README.md"
    for link in ("minimal.json", "bad-request.json"):
        assert f"(response-event/examples/{link})" in readme.read_text()
        assert (readme.parent / "response-event" / "examples" / link).is_file()


# Compatibility


def changed(path: str, **changes: Any) -> dict[str, Any]:
    """The event's schema with changes to the definition or property at `path`; None takes a key away."""
    schema = json_schema(EVENT)
    place = schema
    for part in path.split("/") if path else []:
        place = place[int(part) if part.isdigit() else part]
    for name, value in changes.items():
        place[name] = value
        if value is None:
            del place[name]
    return schema


def without(place: str) -> dict[str, Any]:
    schema = json_schema(EVENT)
    del schema["properties"][place]
    return schema


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (without("release"), "$.release is gone"),
        (changed("", required=[*json_schema(EVENT)["required"], "release"]), "$.release becomes required"),
        (changed("", required=["id"]), "$.target is no longer always there"),
        (changed("properties/job_id", type="integer"), "$.job_id was string and becomes integer"),
        (changed("properties/job_id", maxLength=100), "$.job_id has a tighter maxLength"),
        (changed("properties/time", minimum=1), "$.time has a tighter minimum"),
        (changed("properties/job_id", enum=["a"]), "$.job_id is restricted to a"),
        (changed("properties/version", enum=[2]), "$.version can no longer be 1"),
        (changed("properties/target", pattern="^a"), "$.target must match another pattern"),
        (changed("properties/release", anyOf=None, type="string"), "$.release can no longer be null"),
        (changed("$defs/Response/properties/status", maximum=499), "$.response.status has a tighter maximum"),
        (changed("$defs/Proxy/properties/id", type="integer"), "$.proxy.id was string and becomes integer"),
        (
            changed("$defs/Request/properties/headers/items/prefixItems/1", type="array"),
            "$.request.headers[][1] was string and becomes array",
        ),
    ],
)
def test_a_breaking_change_is_found(new: dict[str, Any], change: str) -> None:
    assert change in breaking_changes(json_schema(EVENT), new)


@pytest.mark.parametrize(
    "new",
    [
        json_schema(EVENT),
        changed("properties", zone={"type": "string"}),
        changed("properties/job_id", maxLength=1000),
        changed("properties/job_id", maxLength=None),
        changed("properties/version", enum=[1, 2]),
        changed("properties/target", pattern=None),
        changed("", description="Another text."),
    ],
)
def test_additive_changes_are_not_breaking(new: dict[str, Any]) -> None:
    assert breaking_changes(json_schema(EVENT), new) == []


def test_the_command_writes_finds_differences_and_refuses_breaking_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> int:
        return command.main([*arguments, "--directory", str(tmp_path)])

    assert run() == 0
    assert run("--check") == 0
    schema = tmp_path / "schemas" / EVENT.path
    schema.write_text(schema.read_text().replace("Unique per response.", "Any text."))
    assert run("--check") == 1
    assert f"differs: schemas/{EVENT.path}" in capsys.readouterr().err
    committed = json.loads(schema.read_text())
    committed["properties"]["zone"] = {"type": "string"}
    schema.write_text(json.dumps(committed))
    assert run() == 1
    assert "$.zone is gone" in capsys.readouterr().err
    assert "zone" in schema.read_text(), "nothing is written over it"
    assert run("--allow-breaking") == 0
    assert run("--check") == 0
