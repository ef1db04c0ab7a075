"""JSON Schema 2020-12 of every wire record, one document per record and version. Pure."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from halt400.record_fields import describe
from halt400.records import Command, Offence, Operation, ResponseEvent, Savings
from streams.processing.envelopes import MOST_EVENTS

__all__ = ["CONTRACTS", "DIALECT", "RecordContract", "json_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

TARGET_PATTERN = r"^[^/\s\u0000-\u001f]([^/\u0000-\u001f]*[^/\s\u0000-\u001f])?$"
"""A target has no slash, no control characters and no space at either end; the service refuses others."""


ResponseEvents = Annotated[
    list[ResponseEvent],
    Meta(
        min_length=1,
        max_length=MOST_EVENTS,
        title="ResponseEvents",
        description="Several responses in one record, all of its partition. Topic `responses`, without a key.",
    ),
]


@dataclass(frozen=True)
class RecordContract:
    """One version of a record: its directory in schemas/, its type, its topic (without prefix) and its key."""

    name: str
    version: int
    record: Any
    topic: str
    key: str

    @property
    def path(self) -> str:
        """Its schema's path in schemas/."""
        return f"{self.name}/v{self.version}.schema.json"

    @property
    def id(self) -> str:
        """Its schema's ``$id``."""
        return f"urn:halt400:schema:{self.name}:v{self.version}"


CONTRACTS = (
    RecordContract("response-event", 1, ResponseEvent, "responses", "the target"),
    RecordContract("response-events", 1, ResponseEvents, "responses", "none: the record is put into its partition"),
    RecordContract("command", 1, Command, "control", "the scope's id, such as job/api.shop.example/extract-099"),
    RecordContract("offence", 1, Offence, "offences", "the target"),
    RecordContract("operation", 1, Operation, "operations", "the scope's target"),
    RecordContract("savings", 1, Savings, "savings", "`gate`, `opened_at` and the scope's id, with spaces between"),
)


def json_schema(contract: RecordContract) -> dict[str, Any]:
    """Return the JSON Schema of a record, self-contained."""
    schema = msgspec.json.schema(contract.record)
    definitions = schema.pop("$defs")
    describe(definitions)
    if "ResponseEvent" in definitions and contract.topic == "responses":
        definitions["ResponseEvent"]["properties"]["target"]["pattern"] = TARGET_PATTERN
    for definition in definitions.values():
        # Readers accept fields that they do not know.
        if definition.get("type") == "object":
            definition["additionalProperties"] = True
    root = definitions.pop(contract.record.__name__) if "$ref" in schema else schema
    return {
        "$schema": DIALECT,
        "$id": contract.id,
        **root,
        **({"$defs": dict(sorted(definitions.items()))} if definitions else {}),
    }
